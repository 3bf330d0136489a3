"""Trade-off AUC of every strategy under every threat of the study, side by side."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoff.analysis.points import under
from tradeoff.analysis.study_file import Threat, probe_label, probes_of_kind, telling, threats
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import images_noted
from tradeoff.artifacts.limits import fit_values
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.panels import in_lines
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import two_noted
from tradeoff.params.epsilon import format_epsilon

# Inches of a row of axes; most rows of one column, of two, and so on.
HIGHEST, LOWEST, MOST_ROWS = 2.4, 0.9, 7
# Places on x: between two probes; what the strategies at one threat take of a place at most, and inches of each.
GAP, TOGETHER, ASIDE = 0.6, 0.7, 0.09
# Inches of a place from which on the name of a perturbation size lies in it; letters of an attack's name in an inch.
LYING, LETTERS = 0.4, 18


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one axes for each panel, with a place on x for each threat, grouped by probe.

    Strategies stand side by side at a threat, joined within a probe. Panels of one dataset have one y.
    """
    places = _places(results)
    parts = [under(results.areas, threat).assign(place=place) for threat, place in places.items()]
    table = pd.concat(parts, ignore_index=True)
    panels = results.panels
    columns = -(-len(panels) // MOST_ROWS)
    rows = -(-len(panels) // columns)
    height = max(LOWEST, min(HIGHEST, (style.PAGE - 1.1) / rows))
    fig = style.figure(style.TWO_COLUMNS, 1.1 + height * rows)
    grid = fig.subplots(rows, columns, squeeze=False, sharex=True)
    for unused in grid.flat[len(panels) :]:
        unused.set_axis_off()
    by_dataset: dict[str, list[Axes]] = {}
    labelled = {(probe_label(results.study, threat.probe), threat.epsilon): x for threat, x in places.items()}
    inches = (style.TWO_COLUMNS - 0.6) / columns / (max(places.values()) + 1)  # of a place, about
    aside = min(TOGETHER / len(results.families), ASIDE / inches)
    for index, (axes, panel) in enumerate(zip(grid.flat, panels, strict=False)):
        _draw_strategies(axes, panel.rows(table), results.families, aside)
        axes.set_title(in_lines(panel.name, columns))
        _threat_axis(axes, labelled, named=index + columns >= len(panels), inches=inches)
        by_dataset.setdefault(panel.dataset, []).append(axes)
    for alike in by_dataset.values():
        fit_values(alike, percent=False)
    fig.supylabel("Trade-off AUC", fontsize=style.RC["axes.labelsize"])
    style.key_of(fig, [style.handle(look(family)) for family in results.families])
    images = images_noted(table.rename(columns={"samples": "n"}))
    confidence = results.study["params"]["tradeoff"]["confidence"] * 100
    bars = f"bars: {confidence:g}% intervals{two_noted(table['seeds'])}"
    style.note(fig, f"{images}; {bars}; strategies stand side by side at a threat")
    return fig, table.drop(columns="place")


def _places(results: Results) -> dict[Threat, float]:
    """Where each threat stands on x: one after the other, with a gap between probes."""
    places: dict[Threat, float] = {}
    end = 0.0
    for probe in probes_of_kind(results.study, "attack"):
        own = [threat for threat in threats(results.study) if threat.probe == probe]
        shown = set(telling(results.study, probe, [threat.epsilon for threat in own]))
        for threat in own:
            if threat.epsilon in shown:
                places[threat] = end
                end += 1
        end += GAP
    return places


def _draw_strategies(axes: Axes, rows: pd.DataFrame, families: list[str], aside: float) -> None:
    for number, family in enumerate(families):
        one = look(family)
        for _, points in rows[rows["family"] == family].groupby("probe", sort=False):
            x = points["place"] + (number - (len(families) - 1) / 2) * aside
            bars = [
                (points["auc"] - points["low"]).clip(lower=0),
                (points["high"] - points["auc"]).clip(lower=0),
            ]
            axes.plot(x, points["auc"], color=one.colour, linestyle=one.line, linewidth=0.5, alpha=0.5)
            axes.errorbar(
                x,
                points["auc"],
                yerr=bars,
                color=one.colour,
                marker=one.marker,
                markersize=3,
                linestyle="",
                elinewidth=0.6,
                clip_on=False,
            )


def _threat_axis(
    axes: Axes, places: Mapping[tuple[str, float], float], *, named: bool, inches: float
) -> None:
    """Mark the threats on x by their perturbation sizes, and below these their attacks by name; inches: of a place."""
    upright = inches < LYING
    axes.set_xlim(-0.5, max(places.values()) + 0.5)
    axes.grid(visible=False, axis="x")
    sizes = [format_epsilon(size) for _, size in places]
    axes.set_xticks([*places.values()], sizes, rotation=90 if upright else 0)
    groups: dict[str, list[float]] = {}
    for (attack, _), place in places.items():
        groups.setdefault(attack, []).append(place)
    axes.xaxis.remove_overlapping_locs = False  # a probe's name may stand below one of its sizes
    names = [
        textwrap.fill(name, max(6, int(LETTERS * inches * len(group)))) for name, group in groups.items()
    ]
    axes.set_xticks([float(np.mean(group)) for group in groups.values()], names, minor=True)
    axes.tick_params(axis="x", which="minor", length=0, pad=36 if upright else 16)
    axes.tick_params(axis="x", which="both", labelbottom=named)
    if named:
        axes.set_xlabel("Attack and the size ε of its perturbation")
    for group in [*groups.values()][1:]:
        axes.axvline(group[0] - (1 + GAP) / 2, color="0.8", linewidth=0.6)
