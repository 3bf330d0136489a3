"""The perturbation size in force over training, under each robust objective."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.cells import at_budgets
from tradeoff.analysis.study_file import budgets
from tradeoff.artifacts import style
from tradeoff.artifacts.comparisons import epoch_axis, method_key, ordered
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.panels import squares
from tradeoff.artifacts.results import Results
from tradeoff.params.epsilon import format_epsilon


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw, for each ε_g, what the runs' logs say; runs of one method that differ have a thin line each."""
    robust = results.training[results.training["objective_epsilon"] > 0]
    table = ordered(results, _changes(at_budgets(results.study, robust)))
    sizes = budgets(results.study)
    fig, grid = squares([f"ε_g = {format_epsilon(size)}" for size in sizes], "Epoch", "ε (1/255)", 1.9)
    for axes, size in zip(grid, sizes, strict=True):
        methods = table[table["epsilon_g"] == size].groupby("method", sort=False)
        for place, (method, rows) in enumerate(methods):
            one = method_look(str(method))
            curves = _distinct(rows)
            for curve in curves:
                axes.plot(
                    curve["epoch"],
                    curve["epsilon"] * 255,
                    color=one.colour,
                    linestyle=one.line,
                    drawstyle="steps-post",
                    marker=one.marker,
                    markersize=2.8,
                    markevery=(0.03 * (place + 1), 0.3),
                    linewidth=1.2 if len(curves) == 1 else 0.6,
                )
        epoch_axis(axes, float(table["epoch"].max()))
        axes.set_ylim(0, size * 255 * 1.08)
    method_key(fig, results, table["method"])
    style.note(fig, "as the runs' logs have it; where runs of one objective differ, each has a line")
    return fig, table


def _changes(training: pd.DataFrame) -> pd.DataFrame:
    """The rows of each run at which ε is another than at the step before or after, and its ends."""
    rows = training.sort_values(["run", "step"], kind="stable")
    sizes = rows.groupby("run", sort=False)["epsilon"]
    kept = rows[(sizes.diff() != 0) | (sizes.diff(-1) != 0)]
    return kept[["run", "epsilon_g", "objective_family", "method", "step", "epoch", "epsilon"]]


def _distinct(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The curves of a method's runs, equal ones once."""
    curves: dict[tuple[float, ...], pd.DataFrame] = {}
    for _, run in rows.groupby("run", sort=False):
        curves.setdefault(tuple(run["epoch"].round(9)) + tuple(run["epsilon"].round(9)), run)
    return list(curves.values())
