"""Figures and tables by name. A new one is one file and one line here; `report/<name>.rst` is its caption.

Cheap to import: the workflow asks here what a study can show before anything runs.
"""

import importlib
from dataclasses import dataclass
from types import ModuleType

from tradeoff.analysis.study_file import StudyFile, probes_of_kind, threats
from tradeoff.errors import UserError


@dataclass(frozen=True)
class Entry:
    """One artifact.

    module: where it is drawn or set; title and category: as the report lists it.
    reads: files below results/<study>/ besides study.json. needs: what the study has to have, see `NEEDS`.
    """

    module: str
    title: str
    category: str
    reads: tuple[str, ...]
    needs: tuple[str, ...] = ()


_PROBES, _AREAS, _FRONTIERS = "tables/probes.parquet", "tables/pareto_auc.csv", "tables/frontiers.csv"
_TRAINING, _RUNS, _FLAGS = "tables/training.parquet", "tables/runs.csv", "tables/flags.json"
_FIGURE, _TABLE = "tradeoff.artifacts.figures", "tradeoff.artifacts.tables"

FIGURES = {
    "trajectories": Entry(
        f"{_FIGURE}.trajectories",
        "Accuracy and robustness over fine-tuning",
        "Trade-off",
        (_PROBES,),
        ("attack",),
    ),
    "frontiers": Entry(f"{_FIGURE}.frontiers", "Frontiers", "Trade-off", (_FRONTIERS, _AREAS), ("attack",)),
    "auc_heatmap": Entry(f"{_FIGURE}.auc_heatmap", "Trade-off AUC", "Trade-off", (_AREAS,), ("attack",)),
    "epsilon_curves": Entry(
        f"{_FIGURE}.epsilon_curves",
        "Accuracy against ε",
        "Trade-off",
        (_PROBES,),
        ("attack", "several epsilons"),
    ),
    "shift": Entry(
        f"{_FIGURE}.shift", "In- and out-of-distribution accuracy", "Domain shift", (_PROBES,), ("shift",)
    ),
    "training_curves": Entry(f"{_FIGURE}.training_curves", "Training curves", "Training", (_TRAINING,)),
}

TABLES = {
    "auc": Entry(f"{_TABLE}.auc", "Trade-off AUC", "Trade-off", (_AREAS,), ("attack",)),
    "accuracy": Entry(
        f"{_TABLE}.accuracy", "Accuracy and robust accuracy", "Trade-off", (_PROBES,), ("attack",)
    ),
    "strategies": Entry(f"{_TABLE}.strategies", "Strategies", "Strategies", (_RUNS,)),
    "flags": Entry(f"{_TABLE}.flags", "Flags raised by the probes", "Checks", (_FLAGS, _PROBES)),
}

# What an artifact may need -> (does a study have it, how to get it).
NEEDS = {
    "attack": (lambda study: bool(probes_of_kind(study, "attack")), "list an attack probe in study.probes"),
    "shift": (
        lambda study: bool(probes_of_kind(study, "shift")),
        "list a shift probe in study.probes, on a dataset with a shifted test set",
    ),
    "several epsilons": (
        lambda study: len(threats(study)) > len(probes_of_kind(study, "attack")),
        "give an attack probe several epsilons",
    ),
}


def available(study: StudyFile, registry: dict[str, Entry] = FIGURES) -> list[str]:
    """Return the names of the artifacts of a registry (FIGURES or TABLES) that a study has the data for."""
    refused = unavailable(study, registry)
    return [name for name in registry if name not in refused]


def unavailable(study: StudyFile, registry: dict[str, Entry] = FIGURES) -> dict[str, str]:
    """Return the other artifacts, each with what to do to get it."""
    missing = {
        name: [NEEDS[need][1] for need in entry.needs if not NEEDS[need][0](study)]
        for name, entry in registry.items()
    }
    return {name: " and ".join(how) for name, how in missing.items() if how}


def load(name: str, study: StudyFile, registry: dict[str, Entry]) -> ModuleType:
    """Import the module of an artifact; UserError when it is unknown or the study cannot support it."""
    if name not in registry:
        raise UserError("artifact", f"the unknown name {name!r}", f"one of {', '.join(registry)}")
    refused = unavailable(study, registry)
    if name in refused:
        raise UserError(
            f"artifact {name}", "no data for it in this study", "a study that has it", refused[name]
        )
    return importlib.import_module(registry[name].module)
