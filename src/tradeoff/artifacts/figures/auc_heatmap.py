"""Trade-off AUC of strategies by datasets, coloured by how far above the average of strategies it lies."""

import textwrap
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from tradeoff.analysis.points import under
from tradeoff.analysis.study_file import telling
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import images_noted
from tradeoff.artifacts.heatmaps import COLOURS, LOWEST, Words, draw_cells
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import interval, signed, two_noted
from tradeoff.params.epsilon import format_epsilon

MOST_COLUMNS = 6
NARROW = 3  # so many columns fit one of a paper's
ROOM = 96  # letters above all columns of a wide one; those of a narrow one are no narrower


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one column per panel under the headline threat; with a single panel, one per epsilon."""
    if len(results.panels) == 1:
        table = results.areas[results.areas["probe"] == results.threat.probe]
        table = table[
            table["epsilon"].isin(telling(results.study, results.threat.probe, table["epsilon"].unique()))
        ]
        columns = [
            (f"ε = {format_epsilon(float(str(epsilon)))}", rows) for epsilon, rows in table.groupby("epsilon")
        ]
        threat = results.attack_label
    else:
        table = under(results.areas, results.threat)
        columns = [(panel.name, panel.rows(table)) for panel in results.panels]
        threat = results.threat_label
    widest = -(
        -len(columns) // -(-len(columns) // MOST_COLUMNS)
    )  # of as few blocks as there can be, alike in width
    blocks = [columns[start : start + widest] for start in range(0, len(columns), widest)]
    families = [_families(block, results.families) for block in blocks]
    lines = sum(map(len, families))
    room = (style.PAGE - 0.85 - 0.35 * len(blocks)) / lines
    height = 0.85 + 0.35 * len(blocks) + max(LOWEST, min(0.3, room)) * lines
    fig = style.figure(style.ONE_COLUMN if widest <= NARROW else style.TWO_COLUMNS, height)
    norm = Normalize(*_limits(table), clip=True)
    grid = fig.subplots(len(blocks), 1, squeeze=False, height_ratios=[*map(len, families)])[:, 0]
    for axes, block, names in zip(grid, blocks, families, strict=True):
        _draw_block(axes, block, names, norm, widest)
    bar = fig.colorbar(ScalarMappable(norm, COLOURS), ax=list(grid), aspect=30, pad=0.02)
    bar.set_label("Above average (%)")
    if norm.vmin is not None and norm.vmax is not None and norm.vmin < 0 < norm.vmax:
        bar.ax.axhline(0, color="black", linewidth=0.8)
    bar.outline.set_visible(False)
    name = results.panels[0].name + "; " if len(results.panels) == 1 else ""
    confidence = results.study["params"]["tradeoff"]["confidence"] * 100
    brackets = f"in brackets: {confidence:g}% intervals{two_noted(table['seeds'])}"
    what = f"trade-off AUC, and how far above its column's average, {name}{threat}"
    style.note(fig, f"{what}; {images_noted(table.rename(columns={'samples': 'n'}))}; {brackets}")
    return fig, table


def _families(block: Sequence[tuple[str, pd.DataFrame]], families: Sequence[str]) -> list[str]:
    """Those of a study's families that any column of a block has."""
    present = {family for _, rows in block for family in rows["family"]}
    return [family for family in families if family in present]


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    """The range of colours: beyond 100% more they stay the same, for one outlier would take them all."""
    values = (table["above_average"] * 100).dropna()
    return (float(values.min()), min(100.0, float(values.max()))) if len(values) else (0.0, 1.0)


def _draw_block(
    axes: Axes,
    block: Sequence[tuple[str, pd.DataFrame]],
    families: Sequence[str],
    norm: Normalize,
    widest: int,
) -> None:
    values = np.full((len(families), widest), np.nan)
    words = {}
    for column, (_, rows) in enumerate(block):
        for row in rows.to_dict("records"):
            line = families.index(row["family"])
            # One strategy alone has no average to be above of, nor has a panel where every area is 0.
            values[line, column] = row["above_average"] * 100 if len(rows) > 1 else np.nan
            words[line, column] = _words(row, values[line, column])
    draw_cells(axes, values, words, norm, [look(family).label for family in families])
    letters = ROOM // widest
    axes.set_xticks(np.arange(len(block)) + 0.5, [_in_lines(title, letters) for title, _ in block])
    axes.xaxis.tick_top()


def _in_lines(title: str, letters: int) -> str:
    """A title in lines of at most so many letters, each of its parts by itself."""
    return "\n".join(textwrap.fill(part, letters, break_long_words=False) for part in title.split(", "))


def _words(row: dict[Hashable, Any], above: float) -> Words:
    relative = "" if np.isnan(above) else f"  {signed(above, 0)}%"
    return Words(f"{row['auc']:.3f}{relative}", interval(row["low"], row["high"], 3))
