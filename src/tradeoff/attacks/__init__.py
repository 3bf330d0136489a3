"""Attacks: how a threat searches its ball. One file each, one line of registry.

An attack's module defines `Params`, a frozen dataclass of its parameters, and
`attacks(params, norm, epsilon) -> list[Attack]`, the attempts to make one after the other, each on the
samples that the ones before left (one for most; the four of AutoAttack). `tradeoff.attacks.engine` runs them.
"""

import importlib
from types import ModuleType
from typing import Any

from tradeoff.params.fields import schema_of

ATTACKS: dict[str, str] = {
    "fgsm": "tradeoff.attacks.fgsm",
    "pgd": "tradeoff.attacks.pgd",
    "apgd": "tradeoff.attacks.apgd",
    "fab": "tradeoff.attacks.fab",
    "square": "tradeoff.attacks.square",
    "autoattack": "tradeoff.attacks.autoattack",
}


def load(name: str) -> ModuleType:
    """Return an attack's module; KeyError when there is none of that name. Imports torch."""
    return importlib.import_module(ATTACKS[name])


def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of an attack's parameters."""
    return schema_of(load(name).Params)
