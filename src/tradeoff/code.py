"""Which code makes a run and a probe: the fingerprints that rules pass on and that results must carry."""

from typing import Any

from tradeoff import objectives, probes, strategies
from tradeoff.fingerprint import fingerprint


def run_code(spec: dict[str, Any]) -> str:
    """Return the fingerprint of what fine-tunes a run, its strategy and objective included. spec: the run's."""
    named = (*strategies.modules(spec["strategy_spec"]), *objectives.modules(spec))
    return fingerprint("workflow_scripts.fine_tune", *named)


def probe_code(spec: dict[str, Any], probe: dict[str, Any]) -> str:
    """Return the fingerprint of what probes a run. spec: the run's; probe: its section of params."""
    named = (*strategies.modules(spec["strategy_spec"]), *probes.modules(probe))
    return fingerprint("workflow_scripts.probe", *named)
