"""Frontiers of every strategy under every objective: what a robust objective buys, and what it costs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoff.analysis.cells import at_budgets
from tradeoff.analysis.frontier import pareto_front
from tradeoff.artifacts import style
from tradeoff.artifacts.comparisons import grid, method_key, ordered
from tradeoff.artifacts.curves import images_noted
from tradeoff.artifacts.limits import fit_values, fives_below
from tradeoff.artifacts.looks import Look, method_look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.staircases import staircase


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one axes for each cell and ε_g, with the frontier of each objective's snapshots at that ε_g.

    The frontiers of `frontiers` compare strategies under one objective; these compare objectives.
    """
    table = _at_own_budget(results)
    fig, comparisons = grid(results, "Accuracy (%)", "Accuracy at ε_g (%)")
    for one in comparisons:
        for (method, _), rows in one.rows(table).groupby(["method", "seed"], sort=False):
            _draw_frontier(one.axes, rows[["accuracy", "robustness"]].to_numpy(), method_look(str(method)))
    on_frontier = table.loc[table["on_variant_frontier"], "accuracy"] * 100
    comparisons[0].axes.set_xlim(fives_below(on_frontier.min()), min(101.0, on_frontier.max() + 3))
    fit_values(one.axes for one in comparisons)
    method_key(fig, results, table["method"])
    measured = results.areas[results.areas["probe"] == results.threat.probe]
    images = images_noted(measured.rename(columns={"samples": "n"}))
    style.note(
        fig, f"{results.threat.probe}; {images}; one frontier per objective and seed; faint: other snapshots"
    )
    return fig, table


def _at_own_budget(results: Results) -> pd.DataFrame:
    """The snapshots under the headline's probe, at each ε_g that their objective is judged at."""
    rows = results.frontiers[results.frontiers["probe"] == results.threat.probe]
    sizes = {run["objective"]: run["objective_epsilon"] for run in results.study["runs"]}
    rows = at_budgets(results.study, rows.assign(objective_epsilon=rows["objective"].map(sizes)))
    same = np.isclose(rows["epsilon"], rows["epsilon_g"], rtol=1e-6, atol=0)
    return ordered(results, rows[same])


def _draw_frontier(axes: Axes, points: np.ndarray, one: Look) -> None:
    axes.plot(
        *(points.T * 100),
        linestyle="",
        marker=one.marker,
        color=one.colour,
        markersize=2,
        alpha=0.25,
        markeredgewidth=0.4,
    )
    axes.plot(*staircase(points), color=one.colour, linestyle=one.line, linewidth=1)
    axes.plot(
        *(pareto_front(points).T * 100), linestyle="", marker=one.marker, color=one.colour, markersize=2.8
    )
