"""Accuracy against the size of the perturbation, at the end of fine-tuning under each objective."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.cells import METHOD_AND_FAMILY, at_budgets
from tradeoff.analysis.seeds import over_seeds
from tradeoff.artifacts import style
from tradeoff.artifacts.comparisons import draw_methods, grid, method_key
from tradeoff.artifacts.curves import bands_noted, images_noted
from tradeoff.artifacts.limits import fit_values
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.results import Results


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw each cell at each ε_g: curves from 0 to ε_g; the area shaded below each is its expected robustness."""
    table = _curves(results)
    fig, comparisons = grid(results, "ε (1/255)", "Accuracy (%)")
    for one in comparisons:
        rows = one.rows(table)
        draw_methods(one.axes, rows, "pixels", ("accuracy", "low", "high"))
        for method, curve in rows.groupby("method", sort=False):
            colour = method_look(str(method)).colour
            one.axes.fill_between(
                curve["pixels"], curve["accuracy"] * 100, color=colour, alpha=0.04, linewidth=0
            )
        one.axes.set_xlim(0, float(table["pixels"].max()) * 1.02)  # room for a marker
    fit_values(one.axes for one in comparisons)
    method_key(fig, results, table["method"])
    note = f"{results.attack_label}; last snapshots; shaded: up to ε_g; {images_noted(table)}"
    style.note(fig, f"{note}; {bands_noted(table)}")
    return fig, table


def _curves(results: Results) -> pd.DataFrame:
    rows = results.probes[results.probes["probe"] == results.threat.probe]
    last = rows[rows["step"] == rows.groupby("run")["step"].transform("max")]
    table = at_budgets(results.study, last)
    table = table[table["epsilon"] <= table["epsilon_g"] * (1 + 1e-6)]
    keys = [*METHOD_AND_FAMILY, "epsilon"]
    joined = over_seeds(table, keys, [("accuracy", "low", "high")])
    joined = joined.sort_values([*keys[:4], "epsilon"], kind="stable")
    return joined.assign(pixels=joined["epsilon"] * 255)
