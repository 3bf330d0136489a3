"""Objectives: what fine-tuning minimises. One file each, one line of registry.

An objective's module defines `Params`, a frozen dataclass of its parameters, and `Objective(params)` with

- ``needs_images``: False when the loss is a function of the features alone, so that a strategy which freezes
  the backbone may compute them once;
- ``epsilon(epoch)``: the perturbation size in force at a fractional epoch, 0 for the standard objective;
- ``loss(model, images, labels, ids, step)``: the mean loss of a batch.
"""

import importlib
from typing import Any

from tradeoff.params.fields import from_mapping, schema_of

OBJECTIVES: dict[str, str] = {
    "standard": "tradeoff.objectives.standard",
}


def load(name: str, params: dict[str, Any], label_smoothing: float = 0.0) -> Any:
    """Return the objective `name` with its parameters; KeyError when there is none of that name."""
    module = importlib.import_module(OBJECTIVES[name])
    return module.Objective(from_mapping(module.Params, params), label_smoothing)


def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of an objective's parameters."""
    return schema_of(importlib.import_module(OBJECTIVES[name]).Params)
