"""Validation loss over epochs, clean and attacked, under each objective."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.artifacts import style
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.validation import validated_noted, validation_curves


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one axes for each cell and ε_g."""
    fig, _, table = validation_curves(
        results, "validation_loss", "validation_robust_loss", "Validation loss", 1
    )
    style.note(fig, f"cross-entropy; {validated_noted(table)}")
    return fig, table
