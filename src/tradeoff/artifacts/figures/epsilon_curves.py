"""Accuracy against the size of the perturbation, at each strategy's last and most robust snapshot."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoff.analysis.metrics import last_and_peak
from tradeoff.analysis.points import PANEL
from tradeoff.analysis.seeds import over_seeds
from tradeoff.analysis.study_file import telling
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import bands_noted, draw_curves, images_noted
from tradeoff.artifacts.panels import paired
from tradeoff.artifacts.results import Results

# Beyond this ratio of the largest to the smallest epsilon a linear axis would hide the small ones.
LINEAR_UP_TO = 16


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw, for each panel, the curve of the last snapshot above that of the peak of robustness."""
    chosen = last_and_peak(results.study, results.probes)
    probe = results.threat.probe
    rows = results.probes[results.probes["probe"] == probe]
    rows = rows[rows["epsilon"].isin(telling(results.study, probe, rows["epsilon"].unique()))]
    table = pd.concat(
        [
            _curves(rows, chosen, "step").assign(snapshot="last"),
            _curves(rows, chosen, "peak_step").assign(snapshot="peak"),
        ]
    )
    sizes = sorted(rows["epsilon"].unique())
    fig, pairs = paired(
        results.panels,
        "Accuracy, end (%)",
        "Accuracy, peak (%)",
        "Perturbation size ε (1/255)" if _in_pixels(sizes) else "Perturbation size ε",
    )
    for panel, pair in zip(results.panels, pairs, strict=True):
        for axes, snapshot in zip(pair, ("last", "peak"), strict=True):
            _epsilon_axis(axes, sizes)
            curves = panel.rows(table[table["snapshot"] == snapshot])
            draw_curves(axes, curves, "epsilon", ("accuracy", "low", "high"), named=len(pairs) == 1)
    if len(pairs) > 1:
        style.key(fig, results.families)
    peak = (
        f"end: last snapshot; peak: the most robust one at {results.threat_label}, picked on the test images"
    )
    style.note(fig, f"{peak}; {images_noted(table)}; {bands_noted(table)}")
    return fig, table


def _curves(rows: pd.DataFrame, chosen: pd.DataFrame, step: str) -> pd.DataFrame:
    """The rows of the chosen snapshot of every strategy, seeds joined."""
    keys = [*PANEL, "family", "strategy", "variant"]
    at = chosen[[*keys, step]].rename(columns={step: "step"})
    chosen_rows = rows.merge(at, on=[*keys, "step"])
    return over_seeds(chosen_rows, [*keys, "step", "epsilon"], [("accuracy", "low", "high")])


def _in_pixels(sizes: Sequence[float]) -> bool:
    """Whether sizes are ones of the max-norm, which papers give in steps of a pixel's 8 bits."""
    return min(size for size in sizes if size > 0) < 0.05


def _epsilon_axis(axes: Axes, sizes: Sequence[float]) -> None:
    positive = [size for size in sizes if size > 0]
    if positive[-1] / positive[0] > LINEAR_UP_TO:
        axes.set_xscale("symlog", base=2, linthresh=positive[0], linscale=1)
    axes.set_xlim(0, positive[-1] * 1.02)  # room for a marker
    axes.set_xticks(sizes, [f"{size * 255:g}" if _in_pixels(sizes) else f"{size:g}" for size in sizes])
    axes.set_xticks([], minor=True)
