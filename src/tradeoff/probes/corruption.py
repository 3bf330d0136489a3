"""Accuracy under common corruptions at every severity, on the run's own test set. The clean accuracy comes with it."""

import hashlib
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from tradeoff import corruptions
from tradeoff.attacks.oracle import Compute
from tradeoff.corruptions.corrupt import corrupt
from tradeoff.errors import UserError
from tradeoff.files import whole_file
from tradeoff.locks import sole_worker
from tradeoff.probes.clean import classified
from tradeoff.probes.measured import Measured, TestSet
from tradeoff.seals import check, recorded_sum, write_sealed

# Images corrupted at a time: as many as fit into memory at any size.
BLOCK = 256


@dataclass(frozen=True)
class Corrupted(TestSet):
    """A test set under a corruption; its images are mapped from a file."""

    corruption: str
    severity: int


def schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "accuracy under common corruptions",
        "properties": {
            "kind": {"const": "corruption"},
            "corruptions": {
                "type": "array",
                "items": {"enum": list(corruptions.CORRUPTIONS)},
                "minItems": 1,
                "uniqueItems": True,
                "description": "their names; without it the fifteen of ImageNet-C",
            },
            "severities": {
                "type": "array",
                "items": {"enum": list(corruptions.SEVERITIES)},
                "minItems": 1,
                "uniqueItems": True,
                "description": "1 to 5; without it all",
            },
            "seed": {"type": "integer", "minimum": 0, "description": "of what is random in them"},
        },
        "required": ["kind"],
        "additionalProperties": False,
    }


def prepare(test_sets: Sequence[TestSet], probe: dict[str, Any], folder: Path) -> list[TestSet]:
    """Return the test sets, each followed by itself under every corruption and severity.

    Corrupted images lie in `folder`, as large as the test set each; those found there are not made again. Of shards
    that start together one makes them, and the others wait.
    """
    prepared: list[TestSet] = []
    with sole_worker(folder):
        for test in test_sets:
            corrupted = [
                _corrupted(test, name, severity, probe.get("seed", 0), folder)
                for name in corruptions.chosen(probe)
                for severity in probe.get("severities", corruptions.SEVERITIES)
            ]
            prepared += [test, *corrupted]
    return prepared


def evaluate(
    model: nn.Module, test_sets: Sequence[TestSet], probe: dict[str, Any], compute: Compute
) -> Measured:
    """Return for each test set that `prepare` made the number of samples classified correctly, and which.

    Outcomes are called correct/<test set> for the clean images, correct/<test set>/<corruption>/<severity> for
    the others.
    """
    rows, outcomes = [], {}
    for test in test_sets:
        correct = classified(model, test, compute)
        if isinstance(test, Corrupted):
            ending = f"/{test.corruption}/{test.severity}"
            condition: dict[str, Any] = {
                "threat": test.corruption,
                "epsilon": None,
                "severity": test.severity,
            }
        else:
            ending = ""
            condition = {"threat": "none", "epsilon": 0.0}
        outcomes[f"correct/{test.reference}{ending}"] = correct
        rows.append(
            {"test_set": test.reference, **condition, "n": len(correct), "correct": int(correct.sum())}
        )
    return Measured(rows, outcomes)


def _corrupted(test: TestSet, name: str, severity: int, seed: int, folder: Path) -> Corrupted:
    file = folder / test.reference / f"{name}-{severity}.npy"
    if not _whole(file):
        before = time.monotonic()
        _write(file, test, name, severity, seed)
        print(f"images under {name} {severity}: made in {time.monotonic() - before:.1f} s", flush=True)
    images = np.load(file, mmap_mode="r")
    return Corrupted(test.reference, images, test.labels, test.ids, name, severity)


def _whole(file: Path) -> bool:
    """Say whether corrupted images are there, as they were written."""
    try:
        check(file, recorded_sum(file, file.with_suffix(".json")))
    except UserError:
        return False
    return True


def _write(file: Path, test: TestSet, name: str, severity: int, seed: int) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": test.images.shape}
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, header)
    digest = hashlib.sha256(head.getvalue())
    with whole_file(file) as temporary, open(temporary, "wb") as out:
        # Not mapped into memory: on a full disk that ends in a signal, not in an error.
        out.write(head.getvalue())
        for first in range(0, len(test.labels), BLOCK):
            rows = slice(first, first + BLOCK)
            block = corrupt(test.images[rows], test.ids[rows], name, severity, seed).tobytes()
            digest.update(block)
            out.write(block)
    write_sealed(file.with_suffix(".json"), {"sha256": {file.name: digest.hexdigest()}})
