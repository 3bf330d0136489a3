"""What passes between a kind of probe and the run of it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TestSet:
    """Images to test on.

    reference: dataset or dataset.domain. images: (n, 3, H, W) uint8. labels: (n,) int64.
    ids: (n,) int64, row numbers of the packed dataset. hints: (n, 3, H, W) int8, what the snapshot before left
    to start from, see `tradeoff.attacks.shortcuts`; None for most probes, and for the first snapshot.
    """

    # Not a test, whatever its name looks like to pytest.
    __test__ = False

    reference: str
    images: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    hints: np.ndarray | None = field(default=None, kw_only=True)


@dataclass
class Measured:
    """One snapshot's measurements.

    rows: {test_set, threat, epsilon, severity, n, correct} for each test set and epsilon (0: clean), or each
    corruption and severity. A row has an epsilon or a severity, never both, so that no corrupted row counts as
    clean; where severity is left out there is none. Where shortcuts were taken also {audited, disagreed}: samples
    that the exact attack saw too, and those it judged otherwise.
    outcomes: per-sample outcomes by name, each (n,) uint8. diagnostics: counts for sanity flags.
    metadata: about the outcomes, the same for every snapshot. hints: for the next snapshot, or None.
    """

    rows: list[dict[str, Any]]
    outcomes: dict[str, np.ndarray]
    diagnostics: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    hints: np.ndarray | None = None
