"""Which code makes a run or searches its recipe: fingerprints that rules pass on and that results must carry."""

from typing import Any

from tradeoff import objectives, strategies
from tradeoff.fingerprint import fingerprint


def run_code(spec: dict[str, Any]) -> str:
    """Return the fingerprint of what fine-tunes a run, its strategy and objective included. spec: the run's."""
    named = (*strategies.modules(spec["strategy_spec"]), *objectives.modules(spec))
    return fingerprint("workflow_scripts.fine_tune", *named)


def tuning_code(spec: dict[str, Any]) -> str:
    """Return the fingerprint of what searches a recipe. spec: of a run that the recipe is for."""
    named = (*strategies.modules(spec["strategy_spec"]), *objectives.modules(spec))
    return fingerprint("workflow_scripts.tune", *named)
