"""Clean accuracy at the end of fine-tuning against ε_g, under each objective."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tradeoff import published
from tradeoff.analysis.cells import CELL, finals, over_seeds
from tradeoff.artifacts import style
from tradeoff.artifacts.budget_curves import budget_axis, with_standard_at_zero
from tradeoff.artifacts.comparisons import draw_methods, grid, method_key
from tradeoff.artifacts.curves import images_noted, seeds_noted
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.results import Results


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one axes for each cell: a line per objective, which starts at standard fine-tuning, ε_g = 0.

    Where the cell is one of Ngnawé et al. (ICLR 2026), hollow marks show what they published.
    """
    confidence = results.study["params"]["tradeoff"]["confidence"]
    ends = over_seeds(finals(results.study, results.probes, results.threat.probe), confidence)
    table = with_standard_at_zero(ends, ["clean", "clean_low", "clean_high"])
    reference = published.main_results().merge(
        ends[[*CELL, "epsilon_g", "method"]].drop_duplicates(), on=[*CELL, "epsilon_g", "method"]
    )
    fig, comparisons = grid(results, "ε_g (1/255)", "Clean accuracy (%)", by_budget=False)
    for one in comparisons:
        budget_axis(one.axes, table)
        draw_methods(one.axes, one.rows(table), "pixels", ("clean", "clean_low", "clean_high"), markers=True)
        for row in one.rows(reference).to_dict("records"):
            look = method_look(row["method"])
            one.axes.plot(
                [row["epsilon_g"] * 255],
                [row["clean"] * 100],
                marker=look.marker,
                markerfacecolor="white",
                markeredgecolor=look.colour,
                markersize=4.5,
                linestyle="",
            )
        one.axes.set_ylim(0, 101)
    hollow = Line2D([], [], marker="o", markerfacecolor="white", color="0.4", linestyle="", label="published")
    method_key(fig, table["method"], [hollow] if len(reference) else [])
    style.note(fig, f"last snapshots; {images_noted(table)}; bands: 95% intervals{seeds_noted(table)}")
    return fig, pd.concat([table, reference.assign(source="published")])
