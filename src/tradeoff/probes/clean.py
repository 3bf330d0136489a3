"""Clean accuracy on the run's own test set."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from tradeoff.attacks.base import answers
from tradeoff.attacks.engine import predict
from tradeoff.attacks.oracle import Compute
from tradeoff.probes.measured import Measured, TestSet


def schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "accuracy on unchanged images",
        "properties": {"kind": {"const": "clean"}},
        "required": ["kind"],
        "additionalProperties": False,
    }


def evaluate(
    model: nn.Module, test_sets: Sequence[TestSet], probe: dict[str, Any], compute: Compute
) -> Measured:
    """Return for each test set the number of samples classified correctly, and which."""
    rows, outcomes = [], {}
    for test in test_sets:
        correct = classified(model, test, compute)
        outcomes[f"correct/{test.reference}"] = correct
        rows.append(
            {
                "test_set": test.reference,
                "threat": "none",
                "epsilon": 0.0,
                "n": len(correct),
                "correct": int(correct.sum()),
            }
        )
    return Measured(rows, outcomes)


def classified(model: nn.Module, test: TestSet, compute: Compute) -> np.ndarray:
    """Say which samples are classified correctly: (n,) uint8, 1 or 0; no finite answer is not correct."""
    given = answers(predict(model, test.images, compute)).cpu().numpy()
    correct: np.ndarray = given == test.labels
    return correct.astype(np.uint8)
