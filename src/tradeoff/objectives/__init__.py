"""Objectives: what fine-tuning minimises. One file for each, one line of registry.

An objective's module defines `Params`, a frozen dataclass of its parameters (fields made with
`tradeoff.params.fields.param`), and `Objective(params, label_smoothing)`, a
`tradeoff.objectives.base.Objective`. docs/how-to/add-an-objective.md says how to add one. Importing this package
does not import torch.
"""

import importlib
from typing import Any

from tradeoff.attacks import ATTACKS
from tradeoff.params.fields import from_mapping, schema_of

OBJECTIVES: dict[str, str] = {
    "standard": "tradeoff.objectives.standard",
    "rft_fix": "tradeoff.objectives.rft_fix",
    "rft_sched": "tradeoff.objectives.rft_sched",
    "rft_warmup": "tradeoff.objectives.rft_warmup",
    "rft_switch": "tradeoff.objectives.rft_switch",
    "rft_uniform": "tradeoff.objectives.rft_uniform",
    "rft_auto": "tradeoff.objectives.rft_auto",
    "trades": "tradeoff.objectives.trades",
}

# Attacks that search the ball during training, and the one that does when params do not say.
INNER_ATTACKS = ("apgd", "pgd")
INNER_ATTACK = "apgd"


def load(name: str, params: dict[str, Any], label_smoothing: float = 0.0) -> Any:
    """Return the objective `name` with its parameters; KeyError when there is none of that name."""
    module = importlib.import_module(OBJECTIVES[name])
    return module.Objective(from_mapping(module.Params, params), label_smoothing)


def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of an objective's parameters."""
    return schema_of(importlib.import_module(OBJECTIVES[name]).Params)


def modules(spec: dict[str, Any]) -> list[str]:
    """Return the modules that a run's objective and robust validation are, by their dotted names.

    spec: the run's, of which objective_spec and robust_validation count.
    """
    objective, validation = spec["objective_spec"], spec["robust_validation"]
    attacks = {objective["params"].get("attack", INNER_ATTACK)} if "epsilon" in objective["params"] else set()
    if validation is not None:
        attacks.add(validation["attack"])
    return [OBJECTIVES[objective["name"]], *(ATTACKS[name] for name in sorted(attacks))]
