"""Heatmaps: coloured cells with a number in each, and its interval small below."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from numpy.typing import NDArray

COLOURS = "Blues"
# Above this share of the range of colours letters are white.
DARK = 0.7
# Inches of a row of two lines of text, at least.
LOWEST = 0.22


@dataclass(frozen=True)
class Words:
    """What a cell says. small: its interval, empty where there is none."""

    text: str
    small: str = ""


def draw_cells(
    axes: Axes,
    values: NDArray[np.float64],
    words: dict[tuple[int, int], Words],
    norm: Normalize,
    rows: Sequence[str],
    size: float = 7,
) -> None:
    """Draw values (rows, columns) by colour, NaN white, and words by (row, column); size: points of the large ones.

    Columns are left without ticks: cell j has its middle at j + 0.5.
    """
    import seaborn  # slow to import, and only heatmaps need it

    seaborn.heatmap(
        values,
        ax=axes,
        cmap=COLOURS,
        vmin=norm.vmin,
        vmax=norm.vmax,
        cbar=False,
        xticklabels=False,
        yticklabels=False,
    )
    for (row, column), said in words.items():
        dark = not np.isnan(values[row, column]) and norm(values[row, column]) > DARK
        colour = "white" if dark else "black"
        x, y = column + 0.5, row + 0.5  # the middle of the cell
        above, below = (0.2, 0.24) if said.small else (0.0, 0.0)
        axes.text(x, y - above, said.text, fontsize=size, ha="center", va="center", color=colour)
        axes.text(x, y + below, said.small, fontsize=6, ha="center", va="center", color=colour)
    # seaborn would turn labels that it takes to overlap.
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
