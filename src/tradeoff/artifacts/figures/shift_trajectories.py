"""Accuracy of every strategy on its own and on shifted test sets against fine-tuning steps."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.points import snapshot_means
from tradeoff.analysis.shift import INSIDE, OUTSIDE, mean_over_test_sets, shifted
from tradeoff.analysis.study_file import probes_of_kind
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import draw_curves, images_noted, seeds_noted, sets_noted
from tradeoff.artifacts.panels import paired, step_axis
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import two_noted


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw accuracy above its mean over the shifted test sets for each panel that has any."""
    probed = results.probes[results.probes["probe"].isin(probes_of_kind(results.study, "shift"))]
    means = mean_over_test_sets(shifted(probed))
    table = snapshot_means(means, [INSIDE, OUTSIDE])
    panels = [panel for panel in results.panels if len(panel.rows(table))]
    fig, pairs = paired(panels, "Accuracy (%)", "Out-of-distribution\naccuracy (%)", "Fine-tuning step")
    for panel, pair in zip(panels, pairs, strict=True):
        rows = panel.rows(table)
        for axes, values in zip(pair, (INSIDE, OUTSIDE), strict=True):
            step_axis(axes, rows["step"].tolist())
            draw_curves(axes, rows, "step", values, named=len(pairs) == 1)
    if len(pairs) > 1:
        style.key(fig, results.families)
    own = images_noted(probed[probed["test_set"] == probed["dataset"]])
    seeds = seeds_noted(table) + two_noted(table["seeds"])
    style.note(
        fig,
        f"in distribution: {own}; {sets_noted(means, probed)}; bands: 95% intervals{seeds}",
    )
    return fig, table
