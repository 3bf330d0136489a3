"""Robustness: accuracy under attack, over rising epsilons in one sweep. The clean accuracy comes with it."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from tradeoff import attacks
from tradeoff.attacks.balls import NORMS
from tradeoff.attacks.engine import SweepResult, sweep
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.oracle import Compute
from tradeoff.attacks.shortcuts import Shortcuts
from tradeoff.attacks.threat import Threat, threat
from tradeoff.params.epsilon import SCHEMA
from tradeoff.params.fields import from_mapping, schema_of
from tradeoff.probes.measured import Measured, TestSet

# Keys of a probe that are not parameters of its attack.
OWN = ("kind", "name", "epsilons", "seed", "limit", "compute", "shortcuts")
# Attacks that climb from one point step by step, so that it helps to see the end coming or to start well.
SHORTENED = ("pgd", "apgd")
# The stream that decides who is audited; attacks count theirs from 0.
_AUDIT = 2**40


def schema() -> dict[str, Any]:
    own = {
        "kind": {"const": "attack"},
        "attack": {"enum": list(attacks.ATTACKS), "description": "how the ball is searched"},
        "norm": {"enum": list(NORMS), "description": "of the perturbation"},
        "epsilons": {
            "type": "array",
            "items": SCHEMA,
            "minItems": 1,
            "maxItems": 254,
            "description": "radii on pixels in [0, 1], rising; the clean accuracy comes by itself",
        },
        "seed": {"type": "integer", "minimum": 0, "description": "of random starts"},
    }
    shortcuts = {"shortcuts": {**schema_of(Shortcuts), "type": ["object", "null"]}}
    parameters = {name: attacks.schema(name) for name in attacks.ATTACKS}
    for name in SHORTENED:
        parameters[name]["properties"] |= shortcuts
    return {
        "type": "object",
        "description": "accuracy under attack",
        "required": ["kind", "attack", "epsilons"],
        "properties": {"attack": own["attack"]},
        "allOf": [
            {
                "if": {"properties": {"attack": {"const": name}}, "required": ["attack"]},
                "then": parameters[name] | {"properties": own | parameters[name]["properties"]},
            }
            for name in attacks.ATTACKS
        ],
    }


def evaluate(
    model: nn.Module, test_sets: Sequence[TestSet], probe: dict[str, Any], compute: Compute
) -> Measured:
    """Attack the first test set at every epsilon, rising; see `tradeoff.attacks.engine.sweep`.

    The outcome `first_failure` is (n,) uint8: 0 misclassified, k first fooled at epsilons[k-1], 255 robust.
    With `shortcuts` a random share of the samples, by their own streams, gets the exact attack as well.
    """
    test = test_sets[0]
    epsilons = probe["epsilons"]
    searched = threat_of(probe)
    seed, shortcuts = probe.get("seed", 0), from_mapping(Shortcuts, probe.get("shortcuts") or {})
    result = sweep(
        model,
        test.images,
        test.labels,
        test.ids,
        searched,
        epsilons,
        seed,
        compute,
        shortcuts.safety if shortcuts.early_accept else None,
        _hints(test) if shortcuts.warm_start else None,
    )
    audits: list[dict[str, int]] = [{} for _ in range(len(epsilons) + 1)]
    if shortcuts.early_accept or shortcuts.warm_start:
        drawn = Noise(seed, (_AUDIT,)).uniform(torch.from_numpy(test.ids), (1,))[:, 0].numpy()
        audits = _audit(model, test, searched, epsilons, seed, compute, result, drawn < shortcuts.audit)
    rows = [
        {
            "test_set": test.reference,
            "threat": f"{searched.attack} {searched.norm}" if rank else "none",
            "epsilon": epsilon,
            "n": len(test.labels),
            "correct": int((result.first_failure > rank).sum()),
        }
        | audits[rank]
        for rank, epsilon in enumerate([0.0, *epsilons])
    ]
    return Measured(
        rows,
        {"first_failure": result.first_failure},
        dataclasses.asdict(result.diagnostics) | {"norm": searched.norm},
        {"epsilons": json.dumps(epsilons)},
        result.hints,
    )


def threat_of(probe: dict[str, Any]) -> Threat:
    """Return what a probe attacks with, at its first epsilon."""
    return threat({key: value for key, value in probe.items() if key not in OWN}, probe["epsilons"][0])


def _hints(test: TestSet) -> np.ndarray:
    """What the snapshot before left; the first one has nothing to go by."""
    return np.zeros(test.images.shape, np.int8) if test.hints is None else test.hints


def _audit(
    model: nn.Module,
    test: TestSet,
    searched: Threat,
    epsilons: Sequence[float],
    seed: int,
    compute: Compute,
    result: SweepResult,
    chosen: np.ndarray,
) -> list[dict[str, int]]:
    """Attack the chosen samples again without shortcuts. Return for each epsilon, 0 first, how many were
    audited (those classified correctly, as no others are attacked), and how many had the wrong verdict."""
    chosen = chosen & (result.first_failure > 0)
    rows = np.flatnonzero(chosen)
    found = result.first_failure[rows]
    exact = found
    if len(rows):
        exact = sweep(
            model,
            test.images[rows],
            test.labels[rows],
            test.ids[rows],
            searched,
            epsilons,
            seed,
            compute,
        ).first_failure
    return [
        {"audited": len(rows), "disagreed": int(((found > rank) != (exact > rank)).sum())}
        for rank in range(len(epsilons) + 1)
    ]
