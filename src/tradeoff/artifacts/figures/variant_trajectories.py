"""Accuracy and robustness of the variants of a sweep against fine-tuning steps."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.metrics import ACCURACY, ROBUSTNESS
from tradeoff.analysis.points import points, snapshot_means
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import bands_noted, draw_variants, images_noted
from tradeoff.artifacts.panels import lay_pairs, paired_height, stacked, step_axis
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.sweeps import sweeps


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw a part for every swept strategy, with accuracy and robustness per panel, under the headline threat."""
    shown = sweeps(results)
    table = snapshot_means(points(results.probes, results.threat), [ACCURACY, ROBUSTNESS])
    heights = [0.3 + paired_height(len(sweep.panels)) for sweep in shown]
    fig, parts = stacked(heights)
    for part, sweep in zip(parts, shown, strict=True):
        names = [panel.name for panel in sweep.panels]
        pairs = lay_pairs(part, names, "Accuracy (%)", "Robust accuracy (%)", "Fine-tuning step")
        for pair, panel in zip(pairs, sweep.panels, strict=True):
            rows = panel.rows(sweep.rows(table))
            for axes, values in zip(pair, (ACCURACY, ROBUSTNESS), strict=True):
                step_axis(axes, rows["step"].tolist())
                draw_variants(axes, rows, "step", values, sweep.looks)
        style.key_of(part, [style.handle(one) for one in sweep.looks.values()], sweep.label)
    notes = f"{results.threat_label}; {images_noted(table)}; {bands_noted(table)}"
    style.note(parts[-1], notes)
    return fig, pd.concat([sweep.rows(table) for sweep in shown])
