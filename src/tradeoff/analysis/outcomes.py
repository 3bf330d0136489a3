"""Per-sample outcomes of an attack probe, as the probe wrote them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from tradeoff.errors import UserError


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
    """Read <probe>.outcomes.safetensors; UserError when it is missing, cut short or lacks something."""
    try:
        with safe_open(str(path), framework="np") as file:
            tensors: dict[str, Any] = {
                name: file.get_tensor(name) for name in ("first_failure", "steps", "ids")
            }
            epsilons = json.loads((file.metadata() or {})["epsilons"])
    except FileNotFoundError:
        raise UserError(
            str(path), "no such file", "outcomes of a probe", "rerun the rule that makes it"
        ) from None
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise UserError(
            str(path), f"a broken file ({error})", "whole outcomes of an attack probe", "delete it and rerun"
        ) from None
    return AttackOutcomes(
        tensors["first_failure"],
        tensors["steps"],
        tensors["ids"],
        tuple(float(epsilon) for epsilon in epsilons),
    )
