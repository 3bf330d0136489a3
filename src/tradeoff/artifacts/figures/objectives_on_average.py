"""Clean, adversarial and expected accuracy of each objective, averaged over all cells of a study."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoff.analysis.cells import CELL, MEASURES, complete, final_means
from tradeoff.analysis.intervals import with_seeds
from tradeoff.analysis.methods import methods
from tradeoff.artifacts import style
from tradeoff.artifacts.comparisons import budgets_noted, methods_noted
from tradeoff.artifacts.curves import images_noted, seeds_noted
from tradeoff.artifacts.limits import fit_values
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.overlays import UNDER, hollow_key, hollow_mark, published_of
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import two_noted
from tradeoff.params.epsilon import format_epsilon

TITLES = {"clean": "Clean", "adversarial": "Adversarial", "expected": "Expected"}


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw a row of axes for each ε_g: a grey line joins what the objectives reach in one cell, marks are means.

    Bars: 95% intervals over cells (Student's). Hollow: published means over the same cells.
    """
    ends = final_means(results.study, results.probes, results.threat.probe)
    ends = ends.dropna(subset="adversarial")
    table = complete(ends)
    present = set(table["method"])
    known = dict.fromkeys(method.name for method in methods(results.study).values())
    names = [name for name in known if name in present]
    reference = published_of(table)
    labels = [method_look(name).label.removeprefix("RFT ") for name in names]
    sizes = sorted(table["epsilon_g"].unique())
    fig = style.figure(style.TWO_COLUMNS, (0.9 if len(names) <= 5 else 1.5) + 1.8 * len(sizes))
    grid = fig.subplots(len(sizes), len(MEASURES), squeeze=False, sharex=True)
    for line, size in zip(grid, sizes, strict=True):
        for axes, measure in zip(line, MEASURES, strict=True):
            rows = table[table["epsilon_g"] == size]
            _draw_cells(axes, rows, names, measure)
            _draw_means(axes, rows, names, measure)
            _draw_published(axes, reference[reference["epsilon_g"] == size], names, measure)
            axes.set_title(f"{TITLES[measure]}, ε_g = {format_epsilon(float(size))}")
            axes.set_xticks(range(len(names)), labels, rotation=25 if len(names) <= 5 else 90)
            axes.set_xlim(-0.4, len(names) - 0.6)
        fit_values(line)
        line[0].set_ylabel("Accuracy (%)")
    cells = len(table.drop_duplicates(list(CELL)))
    if len(reference):
        style.key_of(fig, [hollow_key(f"published mean, {UNDER}")])
    style.note(
        fig,
        f"{results.attack_label}{budgets_noted(results, table)}; last snapshots; {images_noted(table)}"
        f"{seeds_noted(table)}; grey: each of {cells} cells; bars: 95% intervals over cells, where several"
        f"{two_noted([cells], 'cells')}{methods_noted(ends, table)}",
    )
    return fig, pd.concat([table, reference.assign(source="published")])


def _draw_cells(axes: Axes, rows: pd.DataFrame, names: Sequence[str], measure: str) -> None:
    for _, cell in rows.groupby(list(CELL), sort=False):
        values = cell.set_index("method")[measure].reindex(list(names))
        axes.plot(range(len(names)), values * 100, color="0.8", linewidth=0.6)


def _draw_means(axes: Axes, rows: pd.DataFrame, names: Sequence[str], measure: str) -> None:
    for place, name in enumerate(names):
        values = rows.loc[rows["method"] == name, measure].to_numpy() * 100
        if not len(values):
            continue  # not trained at this ε_g
        mean = float(np.mean(values))
        low, high = with_seeds(mean, (mean, mean), values)
        one = method_look(name)
        axes.errorbar(
            [place],
            [mean],
            yerr=[[mean - max(low, 0.0)], [min(high, 100.0) - mean]],
            color=one.colour,
            marker=one.marker,
            markersize=5,
            elinewidth=0.9,
            clip_on=False,
        )


def _draw_published(axes: Axes, rows: pd.DataFrame, names: Sequence[str], measure: str) -> None:
    for name, group in rows.groupby("method", sort=False):
        hollow_mark(axes, names.index(str(name)) + 0.15, group[measure].mean() * 100, str(name))
