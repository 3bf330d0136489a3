"""Accuracy and robustness of every strategy against fine-tuning steps."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.metrics import ACCURACY, ROBUSTNESS
from tradeoff.analysis.points import points, snapshot_means
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import bands_noted, draw_curves, images_noted
from tradeoff.artifacts.panels import paired, step_axis
from tradeoff.artifacts.results import Results


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw accuracy above robust accuracy for each panel, under the headline threat."""
    table = snapshot_means(points(results.probes, results.threat), [ACCURACY, ROBUSTNESS])
    fig, pairs = paired(results.panels, "Accuracy (%)", "Robust accuracy (%)", "Fine-tuning step")
    for panel, pair in zip(results.panels, pairs, strict=True):
        rows = panel.rows(table)
        for axes, values in zip(pair, (ACCURACY, ROBUSTNESS), strict=True):
            step_axis(axes, rows["step"].tolist())
            draw_curves(axes, rows, "step", values, named=len(pairs) == 1)
    if len(pairs) > 1:
        style.key(fig, results.families)
    style.note(fig, f"{results.threat_label}; {images_noted(table)}; {bands_noted(table)}")
    return fig, table
