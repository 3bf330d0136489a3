"""Frontiers of accuracy against robustness, with all snapshots behind them."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.points import under
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import images_noted
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.panels import squares
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.staircases import LINE, draw_frontier, fit, rank, tabulate
from tradeoff.artifacts.text import two_noted


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw each panel's frontiers under the headline threat; the key ranks strategies by area."""
    table = under(results.frontiers, results.threat)
    areas = under(results.areas, results.threat)
    single = len(results.panels) == 1
    fig, grid = squares(
        [panel.name for panel in results.panels],
        "Accuracy (%)",
        "Robust accuracy (%)",
        2.0 + LINE * len(results.families) if single else 2.1,
    )
    for axes, panel in zip(grid, results.panels, strict=True):
        for (family, _), rows in panel.rows(table).groupby(["family", "seed"], sort=False):
            draw_frontier(axes, rows, "on_frontier", look(str(family)), small=not single)
        fit(axes, panel.rows(table), "on_frontier")
    if single:
        columns = (areas[name] for name in ("auc", "low", "high"))
        rank(grid[0], zip(*columns, map(look, areas["family"]), strict=True), below=True)
    tabled = not single and _key(fig, results, areas)
    confidence = results.study["params"]["tradeoff"]["confidence"] * 100
    ranked = f"; brackets: {confidence:g}% intervals{two_noted(areas['seeds'])}" if single else ""
    images = images_noted(areas.rename(columns={"samples": "n"}))
    style.note(
        fig,
        f"{results.threat_label}; {images}; faint: other snapshots, as far as the axes go; bars: 95% intervals{ranked}"
        f"{'; areas: largest bold, intervals in figure auc_heatmap' if tabled else ''}",
    )
    return fig, table


def _key(fig: Figure, results: Results, areas: pd.DataFrame) -> bool:
    """Draw the key of several panels; whether it has the areas too, where panels leave the room."""
    wide = [
        panel.rows(areas).set_index("family")["auc"].reindex(results.families) for panel in results.panels
    ]
    names = [panel.name for panel in results.panels]
    spare = style.room_for_key(fig)
    if spare and tabulate(spare, names, [*map(look, results.families)], np.stack(wide, axis=1)):
        return True
    style.key(fig, results.families)
    return False
