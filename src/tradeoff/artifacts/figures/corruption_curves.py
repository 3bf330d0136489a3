"""Accuracy of every strategy on clean and on corrupted images against fine-tuning steps."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.corruption_error import CLEAN, CORRUPTED, over_corruptions
from tradeoff.analysis.points import snapshot_means
from tradeoff.analysis.study_file import probes_of_kind
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import bands_noted, draw_curves, images_noted
from tradeoff.artifacts.panels import paired, step_axis
from tradeoff.artifacts.results import Results


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw accuracy above its mean over corruptions and severities for each panel, of the first such probe."""
    probe = probes_of_kind(results.study, "corruption")[0]
    table = snapshot_means(over_corruptions(results.probes, probe), [CLEAN, CORRUPTED])
    fig, pairs = paired(results.panels, "Accuracy (%)", "Corrupted accuracy (%)", "Fine-tuning step")
    for panel, pair in zip(results.panels, pairs, strict=True):
        rows = panel.rows(table)
        for axes, values in zip(pair, (CLEAN, CORRUPTED), strict=True):
            step_axis(axes, rows["step"].tolist())
            draw_curves(axes, rows, "step", values, named=len(pairs) == 1)
    if len(pairs) > 1:
        style.key(fig, results.families)
    words = f"{probe}: mean over corruptions and severities; {images_noted(table)}"
    style.note(fig, f"{words}; {bands_noted(table, '95% intervals, of the mean at least')}")
    return fig, table
