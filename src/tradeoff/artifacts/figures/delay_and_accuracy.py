"""Accuracy at the end of fine-tuning against the delay of task adaptation: clean, and under each attack probe."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tradeoff.analysis.adaptation import adaptation, correlation, transfer
from tradeoff.analysis.cells import finals
from tradeoff.analysis.study_file import budgets, probes_of_kind
from tradeoff.artifacts import style
from tradeoff.artifacts.comparisons import method_key, ordered
from tradeoff.artifacts.limits import fit_values
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import signed
from tradeoff.params.epsilon import format_epsilon


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw a row of axes for each ε_g: clean accuracy, then adversarial accuracy under every attack probe.

    Each point is a run. r: Pearson's correlation over the robust runs of an axes, of all cells; the delay of
    standard fine-tuning is 0 by definition. A run that never adapted counts as shown, with its last epoch. Most
    delays are a few whole epochs, so each method has a place of its own beside its delay.
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
    fig = style.figure(style.TWO_COLUMNS, 0.8 + 2.0 * len(sizes))
    grid = fig.subplots(len(sizes), 1 + len(probes), squeeze=False, sharex=True)
    for line, size in zip(grid, sizes, strict=True):
        for place, axes in enumerate(line):
            probe, measure = probes[max(place - 1, 0)], "adversarial" if place else "clean"
            rows = table[(table["epsilon_g"] == size) & (table["probe"] == probe)]
            _scatter(axes, rows, measure, aside)
            what = f"Accuracy under {probe} (%)" if place else "Clean accuracy (%)"
            axes.set_ylabel(what)
            if size == sizes[-1]:
                axes.set_xlabel("Delay (epochs)")
            robust = rows[rows["objective_epsilon"] > 0]
            r = correlation(robust["delay"], robust[measure])
            related = "" if pd.isna(r) else f", r = {signed(r, 2)} (n = {len(robust)})"
            axes.set_title(f"ε_g = {format_epsilon(size)}{related}")
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    for column in grid.T:
        fit_values(column)
    method_key(fig, results, table["method"])
    style.note(
        fig,
        "one point per run, last snapshots; objectives stand side by side at their delay; hollow: it never adapted, so"
        " its delay is longer",
    )
    return fig, table


def _aside(table: pd.DataFrame) -> dict[str, float]:
    """How many epochs beside its delay each method is drawn, in the table's order."""
    names = list(table["method"].unique())
    widest = max(float(table["delay"].max() - table["delay"].min()), 1.0)
    apart = min(0.02 * widest, 0.7 / len(names))
    return {name: (place - (len(names) - 1) / 2) * apart for place, name in enumerate(names)}


def _scatter(axes: Axes, rows: pd.DataFrame, measure: str, aside: dict[str, float]) -> None:
    for (method, reached), points in rows.groupby(["method", "reached"], sort=False):
        one = method_look(str(method))
        axes.plot(
            points["delay"] + aside[str(method)],
            points[measure] * 100,
            linestyle="",
            marker=one.marker,
            color=one.colour,
            markersize=3.5,
            alpha=0.8,
            fillstyle="full" if reached else "none",
            clip_on=False,
        )
