"""Arrangements of panels: pairs of axes for two quantities, or one square for each panel."""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase, SubFigure
from matplotlib.gridspec import GridSpec
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tradeoff.artifacts.results import Panel
from tradeoff.artifacts.style import KEY, ONE_COLUMN, PAGE, TWO_COLUMNS, figure

MOST_COLUMNS = 3
MOST_LETTERS = 38  # of a line above one of them
# Inches for each of a pair of axes from which on a long name fits beside it in one line.
LONG_NAME = 1.2
# Inches: axes of a figure with many panels get smaller until they fit a page, but no smaller than this.
LOWEST_PAIR, LOWEST_SQUARE = 1.25, 0.9


def paired(panels: Sequence[Panel], top: str, bottom: str, x: str) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """Return a figure with two axes for each panel: `top` above `bottom`, which share x.

    A single panel has them side by side instead, each with an x of its own and room for names at its right.
    """
    fig = figure(TWO_COLUMNS, paired_height(len(panels)))
    if len(panels) == 1:
        fig.suptitle(panels[0].name, fontsize=7.5)
    return fig, lay_pairs(fig, [panel.name for panel in panels], top, bottom, x)


def paired_height(panels: int) -> float:
    """Return the inches that pairs of axes for so many panels take."""
    return 2.5 if panels == 1 else 0.7 + _fitting(2.4, LOWEST_PAIR, -(-panels // abreast(panels)))


def abreast(panels: int) -> int:
    """Return how many columns so many panels stand in: three, and more where three would not fit a page."""
    return min(panels, MOST_COLUMNS if panels <= 9 else 4 if panels <= 16 else 5 if panels <= 25 else 6)


def _fitting(height: float, lowest: float, rows: int) -> float:
    """The inches of all rows: `height` each, or what a page has room for."""
    return rows * max(lowest, min(height, (PAGE - 0.7) / rows))


def lay_pairs(
    fig: Figure | SubFigure, titles: Sequence[str], top: str, bottom: str, x: str
) -> list[tuple[Axes, Axes]]:
    """Fill a figure, or a part of one, with the axes of `paired`; a single pair has no title."""
    if len(titles) == 1:
        engine = fig.figure.get_layout_engine()
        assert isinstance(engine, ConstrainedLayoutEngine)  # as style.RC has it
        engine.set(w_pad=0.08)  # names at the right of one must not touch the label of the other
        left, right = fig.subplots(1, 2)
        for axes, title in ((left, top), (right, bottom)):
            axes.set(xlabel=x, ylabel=title)
        return [(left, right)]
    columns = abreast(len(titles))
    blocks = -(-len(titles) // columns)
    grid = fig.add_gridspec(2 * blocks, columns)
    if fig.bbox.height / fig.dpi / (2 * blocks) < LONG_NAME:
        top, bottom = (textwrap.fill(name, 12) for name in (top, bottom))
    pairs = []
    for index, title in enumerate(titles):
        block, column = divmod(index, columns)
        lower = fig.add_subplot(grid[2 * block + 1, column])
        upper = fig.add_subplot(grid[2 * block, column], sharex=lower)
        upper.tick_params(labelbottom=False)
        upper.set_title(in_lines(title, columns))
        if index + columns >= len(titles):
            lower.set_xlabel(x)
        if column == 0:
            upper.set_ylabel(top)
            lower.set_ylabel(bottom)
        pairs.append((upper, lower))
    leave_room(fig, grid, 2, len(titles) - columns * (blocks - 1))
    return pairs


def squares(
    titles: Sequence[str], x: str, y: str, height: float = 2.1, columns: int | None = None
) -> tuple[Figure, list[Axes]]:
    """Return a figure with one axes for each title, labelled at its edges; columns: where not as `abreast` has them."""
    rows = -(-len(titles) // (columns or abreast(len(titles))))
    if len(titles) == 1:
        fig = figure(ONE_COLUMN, 1.1 + height)  # its key takes several lines
    else:
        fig = figure(TWO_COLUMNS, 0.6 + _fitting(height, LOWEST_SQUARE, rows))
    return fig, lay_squares(fig, titles, x, y, columns)


def lay_squares(
    fig: FigureBase, titles: Sequence[str], x: str, y: str, columns: int | None = None
) -> list[Axes]:
    """Fill a figure, or a part of one, with the axes of `squares`."""
    columns = columns or abreast(len(titles))
    rows = -(-len(titles) // columns)
    grid = fig.add_gridspec(rows, columns)
    made = []
    for index, title in enumerate(titles):
        axes = fig.add_subplot(grid[divmod(index, columns)])
        made.append(axes)
        axes.set_title(in_lines(title, columns))
        if index + columns >= len(titles):
            axes.set_xlabel(x)
        if index % columns == 0:
            axes.set_ylabel(y)
    leave_room(fig, grid, 1, len(titles) - columns * (rows - 1))
    return made


def leave_room(fig: FigureBase, grid: GridSpec, lines: int, taken: int) -> None:
    """Make axes for a key of what the last lines of a grid leave empty, if they do.

    taken: how many columns they fill.
    """
    if taken < grid.ncols:
        fig.add_subplot(grid[-lines:, taken:], label=KEY).set_axis_off()


def stacked(heights: Sequence[float]) -> tuple[Figure, list[SubFigure]]:
    """Return a figure of parts below each other, so many inches high, in proportion less where a page ends."""
    fig = figure(TWO_COLUMNS, min(sum(heights), max(PAGE, 0.6 * sum(heights))))
    parts = fig.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)
    return fig, list(parts[:, 0])


def in_lines(title: str, columns: int = MOST_COLUMNS) -> str:
    """Return a title in as many lines as it needs above one of so many axes abreast."""
    letters = min(MOST_LETTERS, MOST_LETTERS * MOST_COLUMNS // columns)
    return textwrap.fill(title, letters, break_long_words=False, break_on_hyphens=False)


def step_axis(axes: Axes, steps: Sequence[int]) -> None:
    """Make x an axis of fine-tuning steps: logarithmic from the first step on, with 0 in its place."""
    positive = sorted({int(step) for step in steps if step > 0})
    if not positive:
        return
    axes.set_xscale("symlog", linthresh=positive[0], linscale=0.4)
    axes.set_xlim(0, positive[-1] * 1.05)
    ticks = [0, *round_numbers(positive[0], positive[-1])]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xticks([], minor=True)


def round_numbers(first: int, last: int) -> list[int]:
    """Return at most four round numbers between two: of 1, 2 and 5, of 1 and 3, or else of 1 in each decade.

    Where there are not two of them, the two themselves.
    """
    candidates: list[int] = []
    for leading in ((1, 2, 5), (1, 3), (1,)):
        candidates = [
            digit * 10**power
            for power in range(12)
            for digit in leading
            if first <= digit * 10**power <= last
        ]
        if len(candidates) <= 4:
            break
    return candidates if len(candidates) > 1 else sorted({first, last})
