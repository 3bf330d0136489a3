"""Which code makes what: the fingerprints that rules pass on and that results must carry."""

from typing import Any

from tradeoff import objectives, probes, strategies
from tradeoff.errors import UserError
from tradeoff.fingerprint import fingerprint


def backbone_code(pretrained: bool) -> str:
    """Return the fingerprint of what pre-trains a backbone here, or fetches one."""
    if not pretrained:
        return fingerprint("workflow_scripts.fetch_backbone")
    named = ("tradeoff.strategies.full", "tradeoff.objectives.standard")
    return fingerprint("workflow_scripts.pretrain_backbone", *named)


def run_code(spec: dict[str, Any]) -> str:
    """Return the fingerprint of what fine-tunes a run, its strategy and objective included. spec: the run's."""
    named = (*strategies.modules(spec["strategy_spec"]), *objectives.modules(spec))
    return fingerprint("workflow_scripts.fine_tune", *named)


def tuning_code(spec: dict[str, Any]) -> str:
    """Return the fingerprint of what searches a recipe. spec: of a run that the recipe is for."""
    named = (*strategies.modules(spec["strategy_spec"]), *objectives.modules(spec))
    return fingerprint("workflow_scripts.tune", *named)


def probe_code(spec: dict[str, Any], probe: dict[str, Any]) -> str:
    """Return the fingerprint of what probes a run. spec: the run's; probe: its section of params."""
    named = (*strategies.modules(spec["strategy_spec"]), *probes.modules(probe))
    return fingerprint("workflow_scripts.probe", *named)


def check_code(stated: str, found: str) -> None:
    """UserError unless the code that runs is the code that the workflow began with: results name the latter."""
    if found != stated:
        raise UserError(
            "code",
            f"the fingerprint {found}",
            f"{stated}, of the code that this workflow began with; it was edited since",
            "run the same command again",
        )
