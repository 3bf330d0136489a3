"""Accuracy of every strategy under each corruption, at the last snapshot."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from tradeoff.analysis.corruption_error import by_corruption
from tradeoff.analysis.study_file import probes_of_kind
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import images_noted, seeds_noted
from tradeoff.artifacts.heatmaps import LOWEST, Words, draw_cells
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import two_noted

ONE_LINE = 0.13  # inches of a row, at least
NARROW = 5  # so many columns fit one of a paper's


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one block for each panel, strategies by corruptions, of the first corruption probe."""
    probe = probes_of_kind(results.study, "corruption")[0]
    table = by_corruption(results.probes, probe)
    corruptions = list(table["corruption"].unique())
    blocks = [(panel.name, panel.rows(table)) for panel in results.panels]
    lines = sum(rows["strategy"].nunique() for _, rows in blocks)
    about = 1.3 + 0.25 * len(blocks)
    width = style.ONE_COLUMN if len(corruptions) <= NARROW else style.TWO_COLUMNS
    room = min(0.26, (style.PAGE - about) / lines)
    fig = style.figure(width, about + lines * max(ONE_LINE, room))
    heights = [rows["strategy"].nunique() for _, rows in blocks]
    grid = fig.subplots(len(blocks), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (name, rows) in zip(grid, blocks, strict=True):
        _draw_block(axes, rows, corruptions, below=room >= LOWEST)
        axes.set_title(name)
    titles = [name.replace("_", " ") for name in corruptions]
    grid[-1].set_xticks(np.arange(len(titles)) + 0.5, titles, rotation=90)
    words = f"{probe}: accuracy (%) at the last snapshot, mean over severities{seeds_noted(table)}"
    what = "small: its interval" if room >= LOWEST else "±: the longer side of its interval"
    limits = f"{what} of at least 95%{two_noted(table['seeds'])}"
    style.note(fig, f"{words}; {images_noted(table)}; {limits}")
    return fig, table


def _draw_block(axes: Axes, rows: pd.DataFrame, corruptions: list[str], below: bool) -> None:
    """Draw one panel's cells; below: there is room for an interval below each number."""
    names = rows[["strategy", "family", "variant"]].drop_duplicates().to_dict("records")
    places = {row["strategy"]: line for line, row in enumerate(names)}
    values = np.full((len(names), len(corruptions)), np.nan)
    words = {}
    for row in rows.to_dict("records"):
        cell = places[row["strategy"]], corruptions.index(row["corruption"])
        share, low, high = (100 * row[key] for key in ("accuracy", "low", "high"))
        values[cell] = share
        if below:
            words[cell] = Words(f"{share:.0f}", f"{low:.0f}\N{EN DASH}{high:.0f}")
        else:
            words[cell] = Words(f"{share:.0f} ±{max(share - low, high - share):.0f}")
    labels = [f"{look(row['family']).label} {row['variant']}".strip() for row in names]
    draw_cells(axes, values, words, Normalize(0, 100), labels, 6.5 if below else 6)
