"""Frontiers of accuracy against robustness, with all snapshots behind them."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tradeoff.analysis.frontier import pareto_front
from tradeoff.analysis.points import under
from tradeoff.artifacts import style
from tradeoff.artifacts.looks import Look, look
from tradeoff.artifacts.panels import squares
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import interval


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw each panel's frontiers under the headline threat; the key ranks strategies by area."""
    table = under(results.frontiers, results.threat)
    areas = under(results.areas, results.threat)
    single = len(results.panels) == 1
    fig, grid = squares(
        [panel.name for panel in results.panels],
        "Accuracy (%)",
        "Robust accuracy (%)",
        2.9 if single else 2.1,
    )
    for axes, panel in zip(grid, results.panels, strict=True):
        for (family, _), rows in panel.rows(table).groupby(["family", "seed"], sort=False):
            _draw_frontier(axes, rows, look(str(family)))
        axes.set_xlim(_left(panel.rows(table)), min(101.0, axes.get_xlim()[1]))
        axes.set_ylim(0, min(101.0, axes.get_ylim()[1]))
    if single:
        _rank(grid[0], areas)
    else:
        style.key(fig, results.families)
    counts = sorted({int(n) for n in areas["samples"]})
    images = f"n = {counts[0]:,}" if len(counts) == 1 else f"n = {counts[0]:,} to {counts[-1]:,}"
    style.note(fig, f"{results.threat}; {images} test images; faint: all snapshots; bars: 95% intervals")
    return fig, table


def _left(rows: pd.DataFrame) -> float:
    """Where accuracy starts, in percent: a little left of the first point on a frontier."""
    first = float(rows.loc[rows["on_frontier"], "accuracy"].min()) * 100
    return max(0.0, (first - 5) // 10 * 10)


def _draw_frontier(axes: Axes, rows: pd.DataFrame, one: Look) -> None:
    points = rows[["accuracy", "robustness"]].to_numpy()
    axes.plot(
        points[:, 0] * 100,
        points[:, 1] * 100,
        linestyle="",
        marker=one.marker,
        color=one.colour,
        markersize=2.2,
        alpha=0.25,
        mew=0.4,
    )
    front = pareto_front(points)
    # The staircase: from the highest robustness at the left down to the highest accuracy at the bottom.
    x = np.concatenate([[0], np.repeat(front[:, 0], 2)])
    y = np.concatenate([np.repeat(front[:, 1], 2), [0]])
    axes.plot(x * 100, y * 100, color=one.colour, linestyle=one.line, linewidth=1.1)
    kept = rows[rows["on_frontier"]]
    axes.errorbar(
        kept["accuracy"] * 100,
        kept["robustness"] * 100,
        xerr=_errors(kept, "accuracy"),
        yerr=_errors(kept, "robustness"),
        linestyle="",
        marker=one.marker,
        color=one.colour,
        markersize=3.5,
        elinewidth=0.4,
    )


def _errors(rows: pd.DataFrame, name: str) -> list[list[float]]:
    """Lengths of error bars below and above, in percent; rounding must not make one negative."""
    sides = rows[name] - rows[f"{name}_low"], rows[f"{name}_high"] - rows[name]
    return [(side.clip(lower=0) * 100).tolist() for side in sides]


def _rank(axes: Axes, areas: pd.DataFrame) -> None:
    """Write the strategies beside the axes, largest area first, each with its area and interval."""
    handles = []
    for row in areas.sort_values("auc", ascending=False, kind="stable").to_dict("records"):
        one = look(row["family"])
        words = [f"{row['auc']:.3f}", interval(row["low"], row["high"], 3), one.label]
        handles.append(Line2D([], [], **one.line_style(), label="  ".join(filter(None, words))))
    axes.legend(
        handles=handles, title="Trade-off AUC", loc="upper left", bbox_to_anchor=(1.02, 1), alignment="left"
    )
