"""Accuracy at the end of fine-tuning against the delay of task adaptation: clean, and under each attack probe."""

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tradeoff.analysis.adaptation import adaptation, correlation, transfer
from tradeoff.analysis.cells import finals
from tradeoff.analysis.study_file import budgets, probes_of_kind
from tradeoff.artifacts import style
from tradeoff.artifacts.comparisons import method_key, ordered
from tradeoff.artifacts.curves import images_noted
from tradeoff.artifacts.limits import fit_values
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.panels import in_lines
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import signed
from tradeoff.params.epsilon import format_epsilon

LABEL = 30  # letters of a line along one of the axes


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw a row of axes for each ε_g: clean accuracy, then adversarial accuracy under every attack probe.

    Each point is a run. r: Pearson's correlation over the robust runs of an axes, of all cells; it describes these
    runs, which share cells and seeds, and has no interval. The delay of standard fine-tuning is 0 by definition. A run
    that never adapted counts as shown, with its last epoch. Most delays are a few whole epochs, so each method has a
    place of its own beside its delay.
    """
    adapted = adaptation(results.study, results.training)
    probes = probes_of_kind(results.study, "attack")
    probes.sort(key=lambda probe: probe != results.threat.probe)
    parts = [
        transfer(finals(results.study, results.probes, probe), adapted).assign(probe=probe)
        for probe in probes
    ]
    table = ordered(results, pd.concat(parts, ignore_index=True))
    sizes = budgets(results.study)
    aside = _aside(table)
    fig = style.figure(style.TWO_COLUMNS, 0.8 + 2.1 * len(sizes))
    grid = fig.subplots(len(sizes), 1 + len(probes), squeeze=False, sharex=True)
    for line, size in zip(grid, sizes, strict=True):
        for place, axes in enumerate(line):
            probe, measure = probes[max(place - 1, 0)], "adversarial" if place else "clean"
            rows = table[(table["epsilon_g"] == size) & (table["probe"] == probe)]
            _scatter(axes, rows, measure, aside)
            what = f"Accuracy, {results.attack_labels[probe]} (%)" if place else "Clean accuracy (%)"
            axes.set_ylabel(textwrap.fill(what, LABEL))
            if size == sizes[-1]:
                axes.set_xlabel("Delay (epochs)")
            robust = rows[rows["objective_epsilon"] > 0]
            axes.set_title(f"ε_g = {format_epsilon(size)}{_related(robust, measure, len(line))}")
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    for column in grid.T:
        fit_values(column)
    method_key(fig, results, table["method"])
    style.note(
        fig,
        f"one point per run, last snapshots; {images_noted(table)}; {_seeds(table)}; bars: 95% intervals over images;"
        " r describes these runs, which are not independent; objectives stand side by side at their delay; hollow: it"
        " never adapted, so its delay is longer",
    )
    return fig, table


def _seeds(table: pd.DataFrame) -> str:
    most = table["seed"].nunique()
    return f"{most} seeds" if most > 1 else "one seed"


def _related(rows: pd.DataFrame, measure: str, columns: int) -> str:
    """Lines of a title that say how a measure goes with the delay; nothing where that cannot be said."""
    kept = rows.dropna(subset=["delay", measure])
    r = correlation(kept["delay"], kept[measure])
    if pd.isna(r):
        return ""
    return "\n" + in_lines(f"r = {signed(r, 2)} (n = {len(kept)})", columns)


def _aside(table: pd.DataFrame) -> dict[str, float]:
    """How many epochs beside its delay each method is drawn, in the table's order."""
    names = list(table["method"].unique())
    widest = max(float(table["delay"].max() - table["delay"].min()), 1.0)
    apart = min(0.02 * widest, 0.7 / len(names))
    return {name: (place - (len(names) - 1) / 2) * apart for place, name in enumerate(names)}


def _scatter(axes: Axes, rows: pd.DataFrame, measure: str, aside: dict[str, float]) -> None:
    for (method, reached), points in rows.groupby(["method", "reached"], sort=False):
        one = method_look(str(method))
        x, y = points["delay"] + aside[str(method)], points[measure] * 100
        sides = y - points[f"{measure}_low"] * 100, points[f"{measure}_high"] * 100 - y
        axes.errorbar(
            x,
            y,
            yerr=[side.clip(lower=0).tolist() for side in sides],
            linestyle="",
            ecolor=one.colour,
            elinewidth=0.4,
            alpha=0.5,
            zorder=1.5,  # below markers
        )
        axes.plot(
            x,
            y,
            linestyle="",
            marker=one.marker,
            color=one.colour,
            markersize=3.5,
            alpha=0.8,
            fillstyle="full" if reached else "none",
            clip_on=False,
        )
