"""Validation accuracy over epochs, clean and attacked, with the onset of task adaptation under each objective."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.artifacts import style
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.validation import mark_onsets, validated_noted, validation_curves


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one axes for each cell and ε_g, and a ring where accuracy first lies above the threshold."""
    fig, comparisons, table = validation_curves(
        results, "validation_accuracy", "validation_robust_accuracy", "Validation accuracy (%)", 100
    )
    onsets = mark_onsets(results, comparisons, table[table["quantity"] == "validation_accuracy"])
    threshold = results.study["params"]["tradeoff"]["onset_accuracy"]
    for one in comparisons:
        one.axes.axhline(threshold * 100, color="0.4", linestyle=":", linewidth=0.7)
    style.note(fig, f"rings: onset, the first epoch above {threshold:.0%} (dotted); {validated_noted(table)}")
    return fig, table.merge(onsets.drop(columns="seeds"), how="left")
