"""Frontiers of the variants of a sweep, each by itself, beside the one that they join."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoff.analysis.points import under
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import images_noted
from tradeoff.artifacts.panels import abreast, lay_squares, stacked
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.staircases import draw_frontier, fit, rank, staircase
from tradeoff.artifacts.sweeps import Sweep, sweeps
from tradeoff.artifacts.text import two_noted


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw a part for every swept strategy, with an axes per panel, under the headline threat.

    The key of a single panel ranks the variants by area.
    """
    shown = sweeps(results)
    table = under(results.frontiers, results.threat)
    areas = under(results.variants, results.threat)
    heights = [0.6 + 2.1 * -(-len(sweep.panels) // abreast(len(sweep.panels))) for sweep in shown]
    fig, parts = stacked(heights)
    ranked = False
    for part, sweep in zip(parts, shown, strict=True):
        names = [panel.name for panel in sweep.panels]
        grid = lay_squares(part, names, "Accuracy (%)", "Robust accuracy (%)")
        for axes, panel in zip(grid, sweep.panels, strict=True):
            _draw_panel(axes, panel.rows(sweep.rows(table)), sweep)
        if len(grid) == 1:
            ranked = True
            grid[0].set_title(sweep.label)
            own = sweep.rows(areas)
            columns = (own[name] for name in ("auc", "low", "high"))
            rank(grid[0], zip(*columns, map(sweep.looks.__getitem__, own["strategy"]), strict=True))
        else:
            style.key_of(part, [style.handle(one) for one in sweep.looks.values()], sweep.label)
    images = images_noted(areas.rename(columns={"samples": "n"}))
    style.note(
        parts[-1],
        f"{results.threat_label}; {images}; grey: all variants joined; faint: all snapshots; bars: 95% intervals"
        f"{two_noted(areas['seeds']) if ranked else ''}",
    )
    return fig, pd.concat([sweep.rows(table) for sweep in shown])


def _draw_panel(axes: Axes, rows: pd.DataFrame, sweep: Sweep) -> None:
    for _, joined in rows.groupby("seed", sort=False):
        axes.plot(*staircase(joined[["accuracy", "robustness"]].to_numpy()), color="0.75", linewidth=2.5)
    for (strategy, _), own in rows.groupby(["strategy", "seed"], sort=False):
        draw_frontier(axes, own, "on_variant_frontier", sweep.looks[str(strategy)])
    fit(axes, rows, "on_variant_frontier")
