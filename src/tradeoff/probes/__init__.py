"""Probes: evaluations of a run's snapshots. One file for each kind, one line of registry.

A kind's module defines `schema()`, the JSON schema of its section in params, and

    evaluate(model, test_sets, probe, compute) -> Measured      (see tradeoff.probes.measured)

which measures one snapshot. `tradeoff.probes.run` does the rest: loading, resuming, writing.
"""

import importlib
from types import ModuleType
from typing import Any

from tradeoff.attacks import ATTACKS

KINDS: dict[str, str] = {
    "clean": "tradeoff.probes.clean",
    "attack": "tradeoff.probes.attack",
    "shift": "tradeoff.probes.shift",
}


def load(kind: str) -> ModuleType:
    """Return a kind's module; KeyError when there is none of that name. Imports torch."""
    return importlib.import_module(KINDS[kind])


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON schema of a probe of this kind, its `kind` included."""
    found: dict[str, Any] = load(kind).schema()
    return found


def modules(probe: dict[str, Any]) -> list[str]:
    """Return the names of the modules that a probe loads through registries. Imports no torch."""
    return [KINDS[probe["kind"]], *([ATTACKS[probe["attack"]]] if "attack" in probe else [])]
