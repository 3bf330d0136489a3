"""Methods: objectives but for their ε_g. At one ε_g it is methods that are compared."""

from dataclasses import dataclass
from typing import Any

from tradeoff.analysis.study_file import StudyFile
from tradeoff.variants import variants


@dataclass(frozen=True)
class Method:
    """What an objective of a study is, apart from its ε_g.

    name: its family, and what else a sweep varies (`rft_sched t1 0.1`); family: `rft_sched`;
    setting: what the sweep varies (`t1 0.1`), empty for most; params: all of the objective's parameters.
    """

    family: str
    setting: str
    params: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.family} {self.setting}".strip()


def methods(study: StudyFile) -> dict[str, Method]:
    """Return the method of every objective of a study's runs, by the objective's name, in the study's order."""
    sections = study["params"]["objectives"]
    known = {}
    for family in dict.fromkeys(run["objective_family"] for run in study["runs"]):
        varied = [key for key in sections[family].get("sweep", {}) if key != "epsilon"]
        for variant in variants(family, sections[family]):
            setting = ", ".join(f"{key.replace('_', ' ')} {variant.params[key]}" for key in varied)
            known[variant.name] = Method(family, setting, variant.params)
    return {run["objective"]: known[run["objective"]] for run in study["runs"]}
