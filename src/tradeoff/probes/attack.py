"""Robustness: accuracy under attack, over rising epsilons in one sweep. The clean accuracy comes with it."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from torch import nn

from tradeoff import attacks
from tradeoff.attacks.balls import NORMS
from tradeoff.attacks.engine import Compute, sweep
from tradeoff.attacks.threat import threat
from tradeoff.params.epsilon import SCHEMA
from tradeoff.probes.measured import Measured, TestSet

# Keys of a probe that are not parameters of its attack.
OWN = ("kind", "name", "epsilons", "seed", "limit", "compute")


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
    parameters = {name: attacks.schema(name) for name in attacks.ATTACKS}
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
    """
    test = test_sets[0]
    epsilons = probe["epsilons"]
    searched = threat({key: value for key, value in probe.items() if key not in OWN}, epsilons[0])
    result = sweep(
        model, test.images, test.labels, test.ids, searched, epsilons, probe.get("seed", 0), compute
    )
    rows = [
        {
            "test_set": test.reference,
            "threat": f"{searched.attack} {searched.norm}" if rank else "none",
            "epsilon": epsilon,
            "n": len(test.labels),
            "correct": int((result.first_failure > rank).sum()),
        }
        for rank, epsilon in enumerate([0.0, *epsilons])
    ]
    return Measured(
        rows,
        {"first_failure": result.first_failure},
        dataclasses.asdict(result.diagnostics) | {"norm": searched.norm},
        {"epsilons": json.dumps(epsilons)},
    )
