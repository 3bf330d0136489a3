"""Robust accuracy against accuracy out of distribution, over fine-tuning: do the two go together?"""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.metrics import ROBUSTNESS
from tradeoff.analysis.points import points
from tradeoff.analysis.shift import OUTSIDE, mean_over_test_sets, shifted
from tradeoff.analysis.study_file import probes_of_kind
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import images_noted, sets_noted
from tradeoff.artifacts.panels import squares
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.run_paths import draw_paths, end_of


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw each panel's runs under the headline threat, at the steps that both probes looked at."""
    probed = results.probes[results.probes["probe"].isin(probes_of_kind(results.study, "shift"))]
    means = mean_over_test_sets(shifted(probed))[["run", "step", "test_sets", *OUTSIDE]]
    table = points(results.probes, results.threat).merge(means, on=["run", "step"], validate="one_to_one")
    panels = [panel for panel in results.panels if len(panel.rows(table))]
    fig, grid = squares(
        [panel.name for panel in panels], "Out-of-distribution accuracy (%)", "Robust accuracy (%)"
    )
    for axes, panel in zip(grid, panels, strict=True):
        draw_paths(axes, panel.rows(table), OUTSIDE, ROBUSTNESS)
        axes.set(xlim=(0, end_of(table, OUTSIDE)), ylim=(0, end_of(table, ROBUSTNESS)))
    style.key(fig, results.families)
    lines = "a line per run, with its last snapshot and 95% intervals"
    style.note(fig, f"{results.threat_label}: {images_noted(table)}; {sets_noted(means, probed)}; {lines}")
    return fig, table
