"""Expected robustness over fine-tuning, of every strategy under every objective."""

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.cells import METHOD_AND_FAMILY, snapshots
from tradeoff.analysis.metrics import EXPECTED
from tradeoff.analysis.seeds import over_seeds
from tradeoff.artifacts import style
from tradeoff.artifacts.comparisons import draw_methods, epoch_axis, grid, method_key
from tradeoff.artifacts.curves import images_noted, seeds_noted
from tradeoff.artifacts.limits import fit_values
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import two_noted


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one axes for each cell and ε_g: the mean accuracy over [0, ε_g] of each probed snapshot."""
    probed = snapshots(results.study, results.probes, results.threat.probe)
    keys = [*METHOD_AND_FAMILY, "step", "epoch"]
    table = over_seeds(probed, keys, [EXPECTED])
    fig, comparisons = grid(results, "Epoch", "Expected robustness (%)")
    for one in comparisons:
        draw_methods(one.axes, one.rows(table), "epoch", EXPECTED)
        epoch_axis(one.axes, float(table["epoch"].max()))
    fit_values(one.axes for one in comparisons)
    method_key(fig, results, table["method"])
    seeds = seeds_noted(table) + two_noted(table["seeds"])
    note = f"{results.attack_label}: mean accuracy over perturbations from 0 to ε_g; {images_noted(table)}"
    style.note(fig, f"{note}; bands: intervals of at least 95%{seeds}")
    return fig, table
