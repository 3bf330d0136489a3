"""Frontiers of every strategy under every objective: what a robust objective buys, and what it costs."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.cells import at_budgets
from tradeoff.artifacts import style
from tradeoff.artifacts.comparisons import grid, method_key, ordered
from tradeoff.artifacts.curves import images_noted
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.staircases import draw_frontier, fit


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one axes for each cell and ε_g, with the frontier of each objective's snapshots at that ε_g.

    The frontiers of `frontiers` compare strategies under one objective; these compare objectives.
    """
    table = _at_own_budget(results)
    fig, comparisons = grid(results, "Accuracy (%)", "Accuracy at ε_g (%)")
    for one in comparisons:
        for (method, _), rows in one.rows(table).groupby(["method", "seed"], sort=False):
            draw_frontier(one.axes, rows, "on_variant_frontier", method_look(str(method)), small=True)
    fit(comparisons[0].axes, table, "on_variant_frontier")
    method_key(fig, results, table["method"])
    measured = results.areas[results.areas["probe"] == results.threat.probe]
    images = images_noted(measured.rename(columns={"samples": "n"}))
    style.note(
        fig,
        f"{results.attack_label}; {images}; one frontier per objective and seed; faint: other snapshots, as far as"
        " the axes go; bars: 95% intervals",
    )
    return fig, table


def _at_own_budget(results: Results) -> pd.DataFrame:
    """The snapshots under the headline's probe, at each ε_g that their objective is judged at."""
    rows = results.frontiers[results.frontiers["probe"] == results.threat.probe]
    sizes = {run["objective"]: run["objective_epsilon"] for run in results.study["runs"]}
    rows = at_budgets(results.study, rows.assign(objective_epsilon=rows["objective"].map(sizes)))
    same = np.isclose(rows["epsilon"], rows["epsilon_g"], rtol=1e-6, atol=0)
    return ordered(results, rows[same])
