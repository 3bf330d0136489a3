"""Accuracy of every strategy under each corruption, at the last snapshot."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoff.analysis.corruption_error import by_corruption
from tradeoff.analysis.study_file import probes_of_kind
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import images_noted
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results

COLOURS = "Blues"
LOWEST = 0.13  # inches of a row


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one block for each panel, strategies by corruptions, of the first corruption probe."""
    probe = probes_of_kind(results.study, "corruption")[0]
    table = by_corruption(results.probes, probe)
    corruptions = list(table["corruption"].unique())
    blocks = [(panel.name, panel.rows(table)) for panel in results.panels]
    lines = sum(rows["strategy"].nunique() for _, rows in blocks)
    about = 1.3 + 0.25 * len(blocks)
    fig = style.figure(style.TWO_COLUMNS, about + lines * max(LOWEST, min(0.2, (style.PAGE - about) / lines)))
    heights = [rows["strategy"].nunique() for _, rows in blocks]
    grid = fig.subplots(len(blocks), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (name, rows) in zip(grid, blocks, strict=True):
        _draw_block(axes, rows, corruptions)
        axes.set_title(name)
    grid[-1].set_xticks(
        range(len(corruptions)), [name.replace("_", " ") for name in corruptions], rotation=90
    )
    words = f"{probe}: accuracy (%) at the last snapshot, mean over severities"
    style.note(fig, f"{words}; {images_noted(table)}")
    return fig, table


def _draw_block(axes: Axes, rows: pd.DataFrame, corruptions: list[str]) -> None:
    names = rows[["strategy", "family", "variant"]].drop_duplicates()
    wide = rows.pivot(index="strategy", columns="corruption", values="accuracy")
    values = wide.loc[names["strategy"], corruptions].to_numpy() * 100
    axes.imshow(values, cmap=COLOURS, vmin=0, vmax=100, aspect="auto")
    for (line, column), value in np.ndenumerate(values):
        axes.text(
            column,
            line,
            f"{value:.0f}",
            ha="center",
            va="center",
            fontsize=6,
            color="white" if value > 60 else "black",
        )
    labels = [f"{look(row['family']).label} {row['variant']}".strip() for row in names.to_dict("records")]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
