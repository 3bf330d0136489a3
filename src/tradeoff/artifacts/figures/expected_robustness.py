"""Expected robustness of every strategy against fine-tuning steps."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.metrics import EXPECTED, expected_by_snapshot
from tradeoff.analysis.points import points, snapshot_means
from tradeoff.analysis.study_file import expected_up_to
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import draw_curves, images_noted, seeds_noted
from tradeoff.artifacts.panels import squares, step_axis
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import two_noted
from tradeoff.params.epsilon import format_epsilon


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one axes for each panel: mean accuracy over [0, `tradeoff.expected_up_to`] under the headline's probe.

    `expected_trajectories` compares objectives, each over perturbations up to its own ε_g; this compares strategies.
    """
    probe = results.threat.probe
    up_to = expected_up_to(results.study, probe)
    measured = points(results.probes, results.threat).merge(
        expected_by_snapshot(results.probes, probe, up_to), on=["run", "step"], validate="one_to_one"
    )
    table = snapshot_means(measured, [EXPECTED])
    fig, grid = squares(
        [panel.name for panel in results.panels], "Fine-tuning step", "Expected robustness (%)"
    )
    for axes, panel in zip(grid, results.panels, strict=True):
        rows = panel.rows(table)
        step_axis(axes, rows["step"].tolist())
        draw_curves(axes, rows, "step", EXPECTED, named=len(grid) == 1)
    if len(grid) > 1:
        style.key(fig, results.families)
    what = f"{results.attack_label}: mean accuracy over ε from 0 to {format_epsilon(up_to)}"
    seeds = seeds_noted(table) + two_noted(table["seeds"])
    style.note(fig, f"{what}; {images_noted(table)}; bands: intervals of at least 95%{seeds}")
    return fig, table
