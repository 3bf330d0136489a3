"""Probes: evaluations of a run's snapshots. One file for each kind, one line of registry.

A kind's module defines `schema()`, the JSON schema of its section in params, and

    evaluate(model, test_sets, probe, compute) -> Measured      (see tradeoff.probes.measured)

which measures one snapshot. `tradeoff.probes.run` does the rest: loading, resuming, writing. A kind that tests on
images which take time to make may define

    prepare(test_sets, probe, folder) -> test_sets

too: it is called once for all snapshots, may keep files in the folder until the probe is finished, and what it
returns is what `evaluate` gets.
"""

import importlib
from types import ModuleType
from typing import Any

from tradeoff import corruptions
from tradeoff.attacks import ATTACKS

KINDS: dict[str, str] = {
    "clean": "tradeoff.probes.clean",
    "attack": "tradeoff.probes.attack",
    "shift": "tradeoff.probes.shift",
    "corruption": "tradeoff.probes.corruption",
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
    loaded = {
        "attack": lambda: [ATTACKS[probe["attack"]]],
        "corruption": lambda: [corruptions.CORRUPTIONS[name] for name in corruptions.chosen(probe)],
    }
    return [KINDS[probe["kind"]], *loaded.get(probe["kind"], list)()]
