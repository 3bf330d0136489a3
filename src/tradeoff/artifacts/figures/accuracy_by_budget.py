"""Clean accuracy at the end of fine-tuning against ε_g, under each objective."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.cells import final_means
from tradeoff.artifacts import style
from tradeoff.artifacts.budget_curves import budget_axis, with_standard_at_zero
from tradeoff.artifacts.comparisons import draw_methods, grid, method_key
from tradeoff.artifacts.curves import bands_noted, images_noted
from tradeoff.artifacts.limits import fit_values
from tradeoff.artifacts.overlays import hollow_key, hollow_mark, published_of
from tradeoff.artifacts.results import Results


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one axes for each cell: a line per objective, which starts at standard fine-tuning, ε_g = 0.

    Where the cell is one of Ngnawé et al. (ICLR 2026), hollow marks show what they published.
    """
    ends = final_means(results.study, results.probes, results.threat.probe)
    table = with_standard_at_zero(ends, ["clean", "clean_low", "clean_high"])
    reference = published_of(ends)
    fig, comparisons = grid(results, "ε_g (1/255)", "Clean accuracy (%)", by_budget=False)
    for one in comparisons:
        budget_axis(one.axes, table)
        draw_methods(one.axes, one.rows(table), "pixels", ("clean", "clean_low", "clean_high"), markers=True)
        for row in one.rows(reference).to_dict("records"):
            hollow_mark(one.axes, row["epsilon_g"] * 255, row["clean"] * 100, row["method"])
    fit_values(one.axes for one in comparisons)
    method_key(fig, results, table["method"], [hollow_key("published")] if len(reference) else [])
    style.note(fig, f"last snapshots; {images_noted(table)}; {bands_noted(table)}")
    return fig, pd.concat([table, reference.assign(source="published")])
