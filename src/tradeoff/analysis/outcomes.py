"""Per-sample outcomes, as a probe wrote them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from tradeoff.errors import UserError
from tradeoff.seals import check, recorded_sum


@dataclass(frozen=True)
class AttackOutcomes:
    """What happened to each test sample at each snapshot.

    first_failure: (snapshots, n) uint8: 0 misclassified without attack, k first fooled at epsilons[k - 1],
    255 never. steps: (snapshots,); ids: (n,) rows of the dataset; epsilons: rising, without 0.
    """

    first_failure: NDArray[np.uint8]
    steps: NDArray[np.int64]
    ids: NDArray[np.int64]
    epsilons: tuple[float, ...]

    def correct(self, index: int) -> NDArray[np.bool_]:
        """Say which samples are classified correctly: (snapshots, n).

        index: 0 without attack, k at epsilons[k - 1] and everything smaller.
        """
        return self.first_failure > index


def read_attack_outcomes(path: Path) -> AttackOutcomes:
    """Read <probe>.outcomes.safetensors; UserError when it is missing, damaged or lacks something."""
    with _opened(path) as file:
        tensors: dict[str, Any] = {name: file.get_tensor(name) for name in ("first_failure", "steps", "ids")}
        epsilons = json.loads((file.metadata() or {})["epsilons"])
    return AttackOutcomes(
        tensors["first_failure"],
        tensors["steps"],
        tensors["ids"],
        tuple(float(epsilon) for epsilon in epsilons),
    )


def read_identity(path: Path) -> dict[str, Any]:
    """Return what any probe's outcomes say they are of; UserError when missing, damaged or silent."""
    with _opened(path) as file:
        identity: dict[str, Any] = json.loads((file.metadata() or {})["identity"])
    return identity


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    check(path, recorded_sum(path, path.with_name(f"{path.name.split('.')[0]}.record.json")))
    try:
        with safe_open(str(path), framework="np") as file:
            yield file
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise UserError(
            str(path), f"a broken file ({error})", "whole outcomes of a probe", "delete it and rerun"
        ) from None
