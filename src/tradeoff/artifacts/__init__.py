"""Figures and tables by name. A new one is one file and one line here; `report/<name>.rst` is its caption.

Cheap to import: the workflow asks here what a study can show before anything runs.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from tradeoff.analysis.study_file import (
    StudyFile,
    budgets,
    budgets_probed,
    epsilons,
    expected_up_to,
    headline,
    probes_of_kind,
    published_strategies,
    swept_families,
    telling,
    threats,
)
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
_VARIANTS, _COURSES, _TASKS = "tables/variants.csv", "tables/courses.csv", "tables/tasks.csv"
_DIFFERENCES = "tables/auc_differences.csv"
_TRAINING, _RUNS, _FLAGS = "tables/training.parquet", "tables/runs.csv", "tables/flags.json"
_FIGURE, _TABLE = "tradeoff.artifacts.figures", "tradeoff.artifacts.tables"
_OBJECTIVES = "Objectives"

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
    "auc_by_threat": Entry(
        f"{_FIGURE}.auc_by_threat",
        "Trade-off AUC under every threat",
        "Trade-off",
        (_AREAS,),
        ("attack", "several threats"),
    ),
    "auc_by_parameters": Entry(
        f"{_FIGURE}.auc_by_parameters",
        "Trade-off AUC against parameters",
        "Trade-off",
        (_AREAS, _VARIANTS, _RUNS),
        ("attack", "several strategies or variants"),
    ),
    "task_complexity": Entry(
        f"{_FIGURE}.task_complexity",
        "Trade-off AUC by task complexity",
        "Trade-off",
        (_AREAS, _TASKS),
        ("attack", "several datasets"),
    ),
    "epsilon_curves": Entry(
        f"{_FIGURE}.epsilon_curves",
        "Accuracy against ε",
        "Trade-off",
        (_PROBES,),
        ("attack", "several epsilons"),
    ),
    "expected_robustness": Entry(
        f"{_FIGURE}.expected_robustness",
        "Expected robustness over fine-tuning",
        "Trade-off",
        (_PROBES,),
        ("attack", "expected robustness"),
    ),
    "shift": Entry(
        f"{_FIGURE}.shift", "In- and out-of-distribution accuracy", "Domain shift", (_PROBES,), ("shift",)
    ),
    "shift_trajectories": Entry(
        f"{_FIGURE}.shift_trajectories",
        "In- and out-of-distribution accuracy over fine-tuning",
        "Domain shift",
        (_PROBES,),
        ("shift",),
    ),
    "shift_and_robustness": Entry(
        f"{_FIGURE}.shift_and_robustness",
        "Robust against out-of-distribution accuracy",
        "Domain shift",
        (_PROBES,),
        ("attack", "shift"),
    ),
    "corruption_curves": Entry(
        f"{_FIGURE}.corruption_curves",
        "Accuracy under corruptions over fine-tuning",
        "Corruptions",
        (_PROBES,),
        ("corruption",),
    ),
    "corruption_heatmap": Entry(
        f"{_FIGURE}.corruption_heatmap",
        "Accuracy under each corruption",
        "Corruptions",
        (_PROBES,),
        ("corruption",),
    ),
    "variant_frontiers": Entry(
        f"{_FIGURE}.variant_frontiers",
        "Frontiers of a sweep's variants",
        "Sweeps",
        (_FRONTIERS, _VARIANTS),
        ("attack", "sweep"),
    ),
    "variant_trajectories": Entry(
        f"{_FIGURE}.variant_trajectories",
        "A sweep's variants over fine-tuning",
        "Sweeps",
        (_PROBES,),
        ("attack", "sweep"),
    ),
    "training_curves": Entry(f"{_FIGURE}.training_curves", "Training curves", "Training", (_TRAINING,)),
    "epsilon_schedules": Entry(
        f"{_FIGURE}.epsilon_schedules",
        "Perturbation size over training",
        _OBJECTIVES,
        (_TRAINING,),
        ("robust",),
    ),
    "validation_accuracy": Entry(
        f"{_FIGURE}.validation_accuracy",
        "Validation accuracy and onsets",
        _OBJECTIVES,
        (_TRAINING,),
        ("robust",),
    ),
    "validation_loss": Entry(
        f"{_FIGURE}.validation_loss", "Validation loss", _OBJECTIVES, (_TRAINING,), ("robust",)
    ),
    "robust_curves": Entry(
        f"{_FIGURE}.robust_curves",
        "Accuracy against ε, by objective",
        _OBJECTIVES,
        (_PROBES,),
        ("robust", "ε_g probed"),
    ),
    "accuracy_by_budget": Entry(
        f"{_FIGURE}.accuracy_by_budget",
        "Clean accuracy against ε_g",
        _OBJECTIVES,
        (_PROBES,),
        ("robust", "ε_g probed"),
    ),
    "delay_by_budget": Entry(
        f"{_FIGURE}.delay_by_budget", "Delay against ε_g", _OBJECTIVES, (_TRAINING,), ("robust", "standard")
    ),
    "delay_and_accuracy": Entry(
        f"{_FIGURE}.delay_and_accuracy",
        "Final accuracy against delay",
        _OBJECTIVES,
        (_PROBES, _TRAINING),
        ("robust", "ε_g probed", "standard"),
    ),
    "objectives_on_average": Entry(
        f"{_FIGURE}.objectives_on_average",
        "Objectives over all cells",
        _OBJECTIVES,
        (_PROBES,),
        ("robust", "ε_g probed"),
    ),
    "ramps": Entry(f"{_FIGURE}.ramps", "Ramps: T1 and T2", _OBJECTIVES, (_TRAINING,), ("ramps",)),
    "joint_frontiers": Entry(
        f"{_FIGURE}.joint_frontiers",
        "Frontiers by objective",
        _OBJECTIVES,
        (_FRONTIERS, _AREAS),
        ("robust", "ε_g probed"),
    ),
    "expected_trajectories": Entry(
        f"{_FIGURE}.expected_trajectories",
        "Expected robustness over fine-tuning, by objective",
        _OBJECTIVES,
        (_PROBES,),
        ("robust", "ε_g probed"),
    ),
    "feature_strength": Entry(
        f"{_FIGURE}.feature_strength", "How weak a non-robust feature may be", "Strategies", (_RUNS,)
    ),
}

TABLES = {
    "auc": Entry(f"{_TABLE}.auc", "Trade-off AUC", "Trade-off", (_AREAS,), ("attack",)),
    "area_differences": Entry(
        f"{_TABLE}.area_differences",
        "Differences of trade-off AUC",
        "Trade-off",
        (_DIFFERENCES, _AREAS),
        ("attack", "several strategies"),
    ),
    "accuracy": Entry(
        f"{_TABLE}.accuracy", "Accuracy and robust accuracy", "Trade-off", (_PROBES,), ("attack",)
    ),
    "published_auc": Entry(
        f"{_TABLE}.published_auc",
        "Trade-off AUC beside the published",
        "Trade-off",
        (_AREAS,),
        ("attack", "published areas"),
    ),
    "rise_and_fall": Entry(
        f"{_TABLE}.rise_and_fall",
        "Rise and fall of robustness",
        "Trade-off",
        (_COURSES, _PROBES),
        ("attack",),
    ),
    "shift_accuracy": Entry(
        f"{_TABLE}.shift_accuracy", "Out-of-distribution accuracy", "Domain shift", (_PROBES,), ("shift",)
    ),
    "corruption": Entry(
        f"{_TABLE}.corruption", "Mean corruption error", "Corruptions", (_PROBES,), ("corruption",)
    ),
    "variant_auc": Entry(
        f"{_TABLE}.variant_auc",
        "Trade-off AUC of a sweep's variants",
        "Sweeps",
        (_VARIANTS, _PROBES),
        ("attack", "sweep"),
    ),
    "strategies": Entry(f"{_TABLE}.strategies", "Strategies", "Strategies", (_RUNS,)),
    "recipes": Entry(f"{_TABLE}.recipes", "Recipes of single cells", "Strategies", (), ("recipes",)),
    "objectives": Entry(
        f"{_TABLE}.objectives",
        "Clean, adversarial and expected accuracy",
        _OBJECTIVES,
        (_PROBES,),
        ("robust", "ε_g probed"),
    ),
    "objective_means": Entry(
        f"{_TABLE}.objective_means", "Means over cells", _OBJECTIVES, (_PROBES,), ("robust", "ε_g probed")
    ),
    "paired_tests": Entry(
        f"{_TABLE}.paired_tests",
        "Paired tests",
        _OBJECTIVES,
        (_PROBES,),
        ("robust objectives", "ε_g probed", "two cells"),
    ),
    "adaptation": Entry(
        f"{_TABLE}.adaptation",
        "Onset, delay and severity",
        _OBJECTIVES,
        (_PROBES, _TRAINING),
        ("robust", "ε_g probed"),
    ),
    "ramp_results": Entry(
        f"{_TABLE}.ramp_results", "Results by T1 and T2", _OBJECTIVES, (_PROBES,), ("ramps", "ε_g probed")
    ),
    "backbones": Entry(f"{_TABLE}.backbones", "Backbones", "Backbones", (_RUNS,)),
    "flags": Entry(f"{_TABLE}.flags", "Flags raised by the probes", "Checks", (_FLAGS, _PROBES)),
}

# What an artifact may need -> (does a study have it, how to get it).
NEEDS: dict[str, tuple[Callable[[StudyFile], bool], str]] = {
    "attack": (lambda study: bool(probes_of_kind(study, "attack")), "list an attack probe in study.probes"),
    "published areas": (
        lambda study: len(published_strategies(study)) > 1,
        "fine-tune a dataset of Li et al. (ICCV 2025) with several of their strategies and the standard objective",
    ),
    "shift": (
        lambda study: bool(probes_of_kind(study, "shift")),
        "list a shift probe in study.probes, on a dataset with a shifted test set",
    ),
    "corruption": (
        lambda study: bool(probes_of_kind(study, "corruption")),
        "list a corruption probe in study.probes",
    ),
    "sweep": (lambda study: bool(swept_families(study)), "give a strategy a sweep of several values"),
    "several epsilons": (
        lambda study: len(threats(study)) > len(probes_of_kind(study, "attack")),
        "give an attack probe several epsilons",
    ),
    "several threats": (
        lambda study: (
            sum(
                len(telling(study, probe, epsilons(study, probe)))
                for probe in probes_of_kind(study, "attack")
            )
            > 1
        ),
        "give an attack probe several epsilons, or list several attack probes",
    ),
    "expected robustness": (
        lambda study: (
            bool(probes_of_kind(study, "attack"))
            and sum(
                size <= expected_up_to(study, headline(study).probe)
                for size in epsilons(study, headline(study).probe)
            )
            > 1
        ),
        "give the attack probe of tradeoff.headline several epsilons up to tradeoff.expected_up_to",
    ),
    "several strategies or variants": (
        lambda study: len({run["strategy"] for run in study["runs"]}) > 1,
        "list several strategies in study.strategies, or give one a sweep",
    ),
    "several datasets": (
        lambda study: bool(study["tasks"]),
        "name three datasets or more in study.datasets",
    ),
    "several strategies": (
        lambda study: len({run["family"] for run in study["runs"]}) > 1,
        "list several strategies in study.strategies",
    ),
    "recipes": (
        lambda study: bool(study["params"].get("tuned") or study["params"].get("recipes")),
        "run `make tune`, or state the section recipes in params",
    ),
    "robust": (lambda study: bool(budgets(study)), "list a robust objective in study.objectives"),
    "robust objectives": (
        lambda study: (
            len({run["objective_family"] for run in study["runs"] if run["objective_epsilon"] > 0}) > 1
        ),
        "list several robust objectives in study.objectives",
    ),
    "standard": (
        lambda study: any(run["objective_family"] == "standard" for run in study["runs"]),
        "list the standard objective in study.objectives",
    ),
    "ε_g probed": (
        lambda study: bool(budgets_probed(study)),
        "give the attack probe of tradeoff.headline the epsilon of a robust objective",
    ),
    "ramps": (
        lambda study: (
            len({run["objective"] for run in study["runs"] if run["objective_family"] == "rft_sched"})
            > len(
                {run["objective_epsilon"] for run in study["runs"] if run["objective_family"] == "rft_sched"}
            )
        ),
        "give rft_sched a sweep over t1 or t2",
    ),
    "two cells": (
        lambda study: len({(run["dataset"], run["backbone"], run["strategy"]) for run in study["runs"]}) > 1,
        "name several datasets, backbones or strategies in study",
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
