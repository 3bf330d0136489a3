"""Validation accuracy over epochs, clean and attacked, with the onset of task adaptation under each objective."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.artifacts import style
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.validation import bands_noted, mark_onsets, validation_curves


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one axes for each cell and ε_g, and a triangle where accuracy first lies above the threshold."""
    fig, comparisons, table = validation_curves(
        results, "validation_accuracy", "validation_robust_accuracy", "Validation accuracy (%)", 100
    )
    for one in comparisons:
        one.axes.set_ylim(0, min(101.0, one.axes.get_ylim()[1]))
    onsets = mark_onsets(results, comparisons)
    threshold = results.study["params"]["tradeoff"]["onset_accuracy"]
    style.note(fig, f"triangles: onset, the first epoch above {threshold:.0%}{bands_noted(table)}")
    return fig, table.merge(onsets.drop(columns="seeds"), how="left")
