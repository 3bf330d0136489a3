"""Which code probes a run: the fingerprint that rules pass on and that results must carry."""

from typing import Any

from tradeoff import probes, strategies
from tradeoff.fingerprint import fingerprint


def probe_code(spec: dict[str, Any], probe: dict[str, Any]) -> str:
    """Return the fingerprint of what probes a run. spec: the run's; probe: its section of params."""
    named = (*strategies.modules(spec["strategy_spec"]), *probes.modules(probe))
    return fingerprint("workflow_scripts.probe", *named)
