"""What the explorer's plots are made of, as plain values for JSON."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tradeoff.analysis.corruption_error import CORRUPTED, over_corruptions
from tradeoff.analysis.expected import expected_with_limits
from tradeoff.analysis.frontier import on_frontier
from tradeoff.analysis.methods import methods
from tradeoff.analysis.points import PANEL, points, under
from tradeoff.analysis.shift import shifted
from tradeoff.analysis.study_file import (
    Threat,
    dataset_label,
    epsilons,
    expected_up_to,
    probe_label,
    probes_of_kind,
    threat_label,
    threats,
)
from tradeoff.artifacts.looks import Look, look, method_look
from tradeoff.artifacts.results import Results
from tradeoff.params.epsilon import format_epsilon
from tradeoff.report.costs import costs

# How Matplotlib's markers and lines are called by Plotly.
SYMBOLS = {"o": "circle", "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down"}
SYMBOLS |= {"P": "cross", "X": "x", "x": "x-thin", "<": "triangle-left", ">": "triangle-right"}
SYMBOLS |= {"p": "pentagon", "h": "hexagon", "*": "star"}
DASHES = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}
# Objectives of one family, which share a look in print, one after the other: filled, hollow, ...
FILLS = ("", "-open", "-dot", "-open-dot")
ACCURACY = ("accuracy", "low", "high")
ROBUSTNESS = ("robustness", "robustness_low", "robustness_high")
DECIMALS = 5

# Each course with its number, by its text.
Courses = dict[str, tuple[int, dict[str, Any]]]


@dataclass(frozen=True)
class Measure:
    """What may stand for robustness in the plots.

    key: unlike any other's; group: what its probe measures; label and robustness: in lists, and at axes.
    rows: a table like those of `points`.
    """

    key: str
    group: str
    label: str
    robustness: str
    rows: pd.DataFrame


def explorable(results: Results, every: int = 1) -> dict[str, Any]:
    """Return every run's accuracy and robustness at each snapshot, for each measure of robustness.

    datasets: how readers know each, by name.
    measures: threats (the headline one first), each probe's followed by expected robustness where it has several
    epsilons, shifted test sets, and means over corruptions, each in the group of its probe.
    runs: what each is, how many parameters it trains, and the seconds it took, times processes.
    courses: a run's accuracy at each snapshot, once for all measures that agree on it.
    curves: a run's robustness by one measure (robustness_n: on other images than accuracy, so many), at the snapshots
    of a course, or at those that `at` lists. A snapshot is `best` when no other of the same family and seed, within its
    panel, beats it in both. Shares are in [0, 1].
    areas: trade-off AUC and its limits (null without a bootstrap) by threat, panel, and family or, of a swept
    family, strategy as well.
    every: curves keep one snapshot in so many, the last, and those that are best.
    """
    measures = list(_measures(results))
    courses: Courses = {}
    numbers = {run["run"]: number for number, run in enumerate(results.study["runs"])}
    curves = [curve for one in measures for curve in _curves(one, numbers, courses, every)]
    return {
        "confidence": results.study["params"]["tradeoff"]["confidence"],
        "datasets": results.dataset_labels,
        "panels": [dict(zip(PANEL, keys, strict=True)) for keys in _panels(results)],
        "families": [{"name": family} | _drawn(look(family)) for family in results.families],
        "objectives": _objectives(results),
        "measures": [
            {key: getattr(one, key) for key in ("key", "group", "label", "robustness")} for one in measures
        ],
        "runs": _runs(results),
        "courses": [course for _, course in courses.values()],
        "curves": curves,
        "areas": {_key(threat): _areas(results, threat) for threat in threats(results.study)},
    }


def _key(threat: Threat) -> str:
    return f"{threat.probe} {format_epsilon(threat.epsilon)}"


def _panels(results: Results) -> list[tuple[str, str, str]]:
    return [(panel.dataset, panel.backbone, panel.objective) for panel in results.panels]


def _objectives(results: Results) -> list[dict[str, str]]:
    """Every objective as print draws it; those that print draws alike differ in how their markers are filled."""
    seen: Counter[str] = Counter()
    drawn = []
    for name, method in methods(results.study).items():
        one = _drawn(method_look(method.name))
        one["symbol"] += FILLS[seen[method.family] % len(FILLS)]
        seen[method.family] += 1
        drawn.append({"name": name} | one | {"label": results.objective_labels[name]})
    return drawn


def _runs(results: Results) -> list[dict[str, Any]]:
    """What each run is, and what it cost."""
    trainable = dict(zip(results.runs["run"], results.runs["trainable"], strict=True))
    panels = _panels(results)
    seconds = {run["run"]: [0.0, 0.0] for run in results.study["runs"]}  # of fine-tuning, and of all
    for cost in costs(results):
        of_run = seconds[cost.run]
        of_run[0] += cost.seconds * cost.processes if cost.rule == "fine_tune" else 0
        of_run[1] += cost.seconds * cost.processes
    return [
        {
            "panel": panels.index((run["dataset"], run["backbone"], run["objective"])),
            "family": run["family"],
            "strategy": run["strategy"],
            "name": f"{look(run['family']).label} {run['variant']}".strip(),
            "seed": run["seed"],
            "trainable": int(trainable[run["run"]]),
            "fine_tuning": round(seconds[run["run"]][0], 2),
            "with_probes": round(seconds[run["run"]][1], 2),
        }
        for run in results.study["runs"]
    ]


def _measures(results: Results) -> Iterator[Measure]:
    study = results.study
    attacks = sorted(threats(study), key=lambda threat: threat != results.threat) if threats(study) else []
    for probe in dict.fromkeys(threat.probe for threat in attacks):
        attack = probe_label(study, probe)
        group = f"Adversarial: {attack}"
        for threat in attacks:
            if threat.probe == probe:
                named = threat_label(study, threat)
                label, robustness = f"Adversarial: {named}", f"Robust accuracy ({named})"
                yield Measure(_key(threat), group, label, robustness, points(results.probes, threat))
        up_to = expected_up_to(study, probe)
        if sum(epsilon <= up_to for epsilon in epsilons(study, probe)) > 1:
            words = f"{attack}, ε from 0 to {format_epsilon(up_to)}"
            label, robustness = f"Expected robustness: {words}", f"Expected robustness ({words})"
            yield Measure(f"{probe} expected", group, label, robustness, _expected(results, probe, up_to))
    for (probe, test_set), rows in _shifts(results).items():
        named = dataset_label(study, test_set)
        label, robustness = f"Out of distribution: {named} ({probe})", f"Accuracy on {named}"
        yield Measure(f"{probe} {test_set}", f"Out of distribution: {probe}", label, robustness, rows)
    for probe in probes_of_kind(study, "corruption"):
        label = f"Corruptions: mean over kinds and severities ({probe})"
        robustness = f"Accuracy on corrupted images ({probe})"
        yield Measure(probe, f"Corruptions: {probe}", label, robustness, _corrupted(results, probe))


def _expected(results: Results, probe: str, up_to: float) -> pd.DataFrame:
    """A table like those of `points`: robustness is the mean accuracy over epsilons from 0 to `up_to`."""
    rows = results.probes[results.probes["probe"] == probe]
    wide = rows.pivot(index=["run", "step"], columns="epsilon", values=list(ACCURACY))
    means = expected_with_limits(wide, up_to).set_axis(list(ROBUSTNESS), axis=1)
    return under(rows, Threat(probe, 0)).merge(means.reset_index(), on=["run", "step"], validate="one_to_one")


def _shifts(results: Results) -> dict[tuple[str, str], pd.DataFrame]:
    """Tables like those of `points`, by shift probe and shifted test set, of which robustness_n is the size."""
    probes = results.probes
    rows = shifted(probes[probes["probe"].isin(probes_of_kind(results.study, "shift"))])
    about = probes[probes["epsilon"] == 0][["run", "probe", "dataset", "test_set", "step", "epoch", "n"]]
    own = about[about["test_set"] == about["dataset"]].drop(columns=["dataset", "test_set"])
    sizes = about.rename(columns={"n": "robustness_n"}).drop(columns=["dataset", "epoch"])
    rows = rows.merge(own, on=["run", "probe", "step"], validate="many_to_one")
    rows = rows.merge(sizes, on=["run", "probe", "test_set", "step"], validate="one_to_one")
    sources = ("inside", "inside_low", "inside_high", "outside", "outside_low", "outside_high")
    rows = rows.rename(columns=dict(zip(sources, ACCURACY + ROBUSTNESS, strict=True)))
    return {(str(p), str(t)): part for (p, t), part in rows.groupby(["probe", "test_set"], sort=False)}


def _corrupted(results: Results, probe: str) -> pd.DataFrame:
    """A table like those of `points`: robustness is the mean over corruptions and severities."""
    rows = over_corruptions(results.probes, probe).rename(
        columns=dict(zip(CORRUPTED, ROBUSTNESS, strict=True))
    )
    about = under(results.probes, Threat(probe, 0))[["run", "step", "epoch"]]
    return rows.merge(about, on=["run", "step"], validate="one_to_one")


def _curves(
    measure: Measure, numbers: dict[str, int], courses: Courses, every: int
) -> Iterator[dict[str, Any]]:
    """One curve for each run; what `courses` does not have yet is added to it."""
    rows = measure.rows.sort_values("step", kind="stable").reset_index(drop=True)
    best = pd.Series(False, index=rows.index)
    for _, group in rows.groupby([*PANEL, "family", "seed"], sort=False):
        best[group.index] = on_frontier(group[["accuracy", "robustness"]])
    parts = {str(run): part for run, part in rows.assign(best=best).groupby("run", sort=False)}
    for run in (run for run in numbers if run in parts):
        part = parts[run]
        course = {
            "run": numbers[run],
            "n": int(part["n"].iloc[0]),
            "step": part["step"].astype(int).tolist(),
            "epoch": part["epoch"].astype(float).round(2).tolist(),
        } | {share: _rounded(part[share]) for share in ACCURACY}
        number, _ = courses.setdefault(str(course), (len(courses), course))
        curve: dict[str, Any] = {"measure": measure.key, "course": number}
        if "robustness_n" in part:
            curve["robustness_n"] = int(part["robustness_n"].iloc[0])
        if every > 1:
            kept = part["best"].to_numpy() | (np.arange(len(part)) % every == 0)
            kept[-1] = True
            part = part[kept]
            curve["at"] = np.flatnonzero(kept).tolist()
        yield (
            curve
            | {"best": part["best"].astype(int).tolist()}
            | {share: _rounded(part[share]) for share in ROBUSTNESS}
        )


def _rounded(shares: pd.Series) -> list[float]:
    values: list[float] = shares.astype(float).round(DECIMALS).tolist()
    return values


def _areas(results: Results, threat: Threat) -> dict[str, dict[str, list[float | None]]]:
    """By the number of a panel, and by family or strategy: the area and its limits, under one threat."""
    panels = _panels(results)
    found: dict[str, dict[str, list[float | None]]] = {}
    for table, key in ((results.areas, "family"), (results.variants, "strategy")):
        if table.empty:
            continue
        for row in under(table, threat).to_dict("records"):
            panel = str(panels.index((row["dataset"], row["backbone"], row["objective"])))
            # JSON has no NaN: an interval that was not asked for (no bootstrap) is null.
            # Not rounded: the page rounds once, as tables do.
            area = [None if pd.isna(row[value]) else float(row[value]) for value in ("auc", "low", "high")]
            found.setdefault(panel, {})[str(row[key])] = area
    return found


def _drawn(one: Look) -> dict[str, str]:
    return {
        "label": one.label,
        "colour": one.colour,
        "symbol": SYMBOLS[one.marker],
        "dash": DASHES[one.line],
    }
