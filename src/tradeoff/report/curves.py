"""What the explorer's plots are made of, as plain values for JSON."""

from itertools import cycle
from typing import Any

import pandas as pd

from tradeoff.analysis.corruption_error import CORRUPTED, over_corruptions
from tradeoff.analysis.frontier import on_frontier
from tradeoff.analysis.points import PANEL, points, under
from tradeoff.analysis.shift import shifted
from tradeoff.analysis.study_file import Threat, probe_label, probes_of_kind, threat_label, threats
from tradeoff.artifacts.looks import LOOKS, Look, look
from tradeoff.artifacts.results import Results
from tradeoff.params.epsilon import format_epsilon

# How Matplotlib's markers and lines are called by Plotly.
SYMBOLS = {"o": "circle", "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down"}
SYMBOLS |= {"P": "cross", "X": "x", "x": "x-thin", "<": "triangle-left", ">": "triangle-right"}
SYMBOLS |= {"p": "pentagon", "h": "hexagon", "*": "star"}
DASHES = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}
# Of objectives, where several are drawn for one strategy.
COLOURS = [one.colour for one in LOOKS.values()]
SHARES = ("accuracy", "low", "high", "robustness", "robustness_low", "robustness_high")
DECIMALS = 5


def explorable(results: Results) -> dict[str, Any]:
    """Return every run's accuracy and robustness at each snapshot, for each measure of robustness.

    measures: threats (the headline one first), shifted test sets, and means over corruptions, each in the group of
    its probe. curves: one per run and measure, with
    lists over snapshots; shares in [0, 1]. A snapshot is `best` when no other of the same family and seed,
    within its panel, beats it in both. areas: trade-off AUC by measure, panel and family, for threats.
    """
    study = results.study
    attacks = sorted(threats(study), key=lambda threat: threat != results.threat) if threats(study) else []
    tables = {_key(threat): points(results.probes, threat) for threat in attacks}
    measures = [
        {
            "key": _key(threat),
            "group": f"Adversarial: {probe_label(study, threat.probe)}",
            "label": f"Adversarial: {threat_label(study, threat)}",
            "robustness": f"Robust accuracy ({threat_label(study, threat)})",
        }
        for threat in attacks
    ]
    for (probe, test_set), rows in _shifts(results).items():
        tables[f"{probe} {test_set}"] = rows
        label = f"Out of distribution: {test_set} ({probe})"
        measures.append(
            {
                "key": f"{probe} {test_set}",
                "group": f"Out of distribution: {probe}",
                "label": label,
                "robustness": f"Accuracy on {test_set}",
            }
        )
    for probe in probes_of_kind(results.study, "corruption"):
        tables[probe] = _corrupted(results, probe)
        measures.append(
            {
                "key": probe,
                "group": f"Corruptions: {probe}",
                "label": f"Corruptions: mean over kinds and severities ({probe})",
                "robustness": f"Accuracy on corrupted images ({probe})",
            }
        )
    objectives = dict.fromkeys(panel.objective for panel in results.panels)
    return {
        "panels": [dict(zip(PANEL, keys, strict=True)) for keys in _panels(results)],
        "families": [{"name": family} | _drawn(look(family)) for family in results.families],
        "objectives": [
            {"name": name, "label": results.objective_labels[name], "colour": colour, "dash": dash}
            for name, colour, dash in zip(objectives, cycle(COLOURS), cycle(DASHES.values()), strict=False)
        ],
        "measures": measures,
        "curves": [curve for key, rows in tables.items() for curve in _curves(key, rows)],
        "areas": [area for threat in attacks for area in _areas(threat, results.areas)],
    }


def _key(threat: Threat) -> str:
    return f"{threat.probe} {format_epsilon(threat.epsilon)}"


def _panels(results: Results) -> list[tuple[str, str, str]]:
    return [(panel.dataset, panel.backbone, panel.objective) for panel in results.panels]


def _shifts(results: Results) -> dict[tuple[str, str], pd.DataFrame]:
    """Tables like those of `points`, by shift probe and shifted test set."""
    probes = results.probes
    rows = shifted(probes[probes["probe"].isin(probes_of_kind(results.study, "shift"))])
    about = probes[probes["epsilon"] == 0][["run", "probe", "test_set", "step", "epoch", "n"]]
    rows = rows.merge(about, on=["run", "probe", "test_set", "step"])
    sources = ("inside", "inside_low", "inside_high", "outside", "outside_low", "outside_high")
    rows = rows.rename(columns=dict(zip(sources, SHARES, strict=True)))
    return {(str(p), str(t)): part for (p, t), part in rows.groupby(["probe", "test_set"], sort=False)}


def _corrupted(results: Results, probe: str) -> pd.DataFrame:
    """A table like those of `points`: robustness is the mean over corruptions and severities."""
    rows = over_corruptions(results.probes, probe).rename(
        columns=dict(zip(CORRUPTED, SHARES[3:], strict=True))
    )
    about = under(results.probes, Threat(probe, 0))[["run", "step", "epoch"]]
    return rows.merge(about, on=["run", "step"], validate="one_to_one")


def _curves(measure: str, rows: pd.DataFrame) -> list[dict[str, Any]]:
    rows = rows.sort_values("step", kind="stable").reset_index(drop=True)
    best = pd.Series(False, index=rows.index)
    for _, group in rows.groupby([*PANEL, "family", "seed"], sort=False):
        best[group.index] = on_frontier(group[["accuracy", "robustness"]])
    curves = []
    keys = [*PANEL, "family", "strategy", "variant", "seed"]
    for _, part in rows.assign(best=best).groupby(keys, sort=False):
        run = part.iloc[0]
        curves.append(
            {key: str(run[key]) for key in (*PANEL, "family", "strategy")}
            | {
                "measure": measure,
                "name": f"{look(str(run['family'])).label} {run['variant']}".strip(),
                "seed": int(run["seed"]),
                "n": int(run["n"]),
                "step": part["step"].astype(int).tolist(),
                "epoch": part["epoch"].astype(float).round(2).tolist(),
                "best": part["best"].tolist(),
            }
            | {share: part[share].astype(float).round(DECIMALS).tolist() for share in SHARES}
        )
    return curves


def _areas(threat: Threat, areas: pd.DataFrame) -> list[dict[str, Any]]:
    columns = [*PANEL, "family", "auc", "low", "high"]
    # JSON has no NaN: an interval that was not asked for (no bootstrap) is null.
    # Not rounded: the page rounds once, as tables do.
    rows = under(areas, threat)[columns].astype(object)
    records = rows.where(rows.notna(), None).to_dict("records")
    return [{"measure": _key(threat)} | {str(key): value for key, value in row.items()} for row in records]


def _drawn(one: Look) -> dict[str, str]:
    return {
        "label": one.label,
        "colour": one.colour,
        "symbol": SYMBOLS[one.marker],
        "dash": DASHES[one.line],
    }
