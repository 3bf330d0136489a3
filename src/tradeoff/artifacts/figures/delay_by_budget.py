"""How much later than standard fine-tuning task adaptation begins, against ε_g, under each objective."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.adaptation import adaptation
from tradeoff.analysis.cells import METHOD_AND_FAMILY
from tradeoff.artifacts import style
from tradeoff.artifacts.budget_curves import budget_axis, with_standard_at_zero
from tradeoff.artifacts.comparisons import draw_methods, grid, method_key, ordered
from tradeoff.artifacts.results import Results


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one axes for each cell; a run that never adapts counts with its last epoch, as a hollow mark says."""
    runs = adaptation(results.study, results.training)
    joined = runs.groupby(list(METHOD_AND_FAMILY), sort=False).agg(
        delay=("delay", "mean"),
        low=("delay", "min"),
        high=("delay", "max"),
        reached=("reached", "all"),
        seeds=("seed", "nunique"),
    )
    table = with_standard_at_zero(ordered(results, joined.reset_index()), ["delay", "low", "high", "reached"])
    fig, comparisons = grid(results, "ε_g (1/255)", "Delay (epochs)", by_budget=False)
    for one in comparisons:
        rows = one.rows(table)
        budget_axis(one.axes, table)
        draw_methods(one.axes, rows, "pixels", ("delay", "low", "high"), scale=1, markers=True)
        never = rows[~rows["reached"].astype(bool)]
        one.axes.plot(
            never["pixels"],
            never["delay"],
            linestyle="",
            marker="o",
            markersize=7,
            color="0.4",
            fillstyle="none",
        )
    method_key(fig, results, table["method"])
    threshold = results.study["params"]["tradeoff"]["onset_accuracy"]
    most = int(table["seeds"].max())
    seeds = f"means and range of up to {most} seeds" if most > 1 else "one seed"
    style.note(
        fig,
        f"onset: first epoch with a validation accuracy above {threshold:.0%}; ringed: a run never got there; {seeds},"
        f" n = {len(runs.drop_duplicates('run'))} runs",
    )
    return fig, table
