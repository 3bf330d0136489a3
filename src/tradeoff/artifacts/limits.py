"""Limits of axes: as close to the data as lets them be read, and never so that a line is cut."""

from collections.abc import Iterable

from matplotlib.axes import Axes

# Percent: nearer to the end of an axis than this, a marker would be cut.
MARKER = 0.5


def fit_values(together: Iterable[Axes], *, percent: bool = True) -> None:
    """Give axes one y: from 0, or from a little below the lowest value where all lie in the upper half.

    Call it when everything is drawn: limits that one of several axes sets stay, whatever the others draw.
    """
    grid = list(together)
    low = min(float(axes.dataLim.y0) for axes in grid)
    high = max(float(axes.dataLim.y1) for axes in grid)
    bottom = 0.0 if low < high / 2 else low - 0.08 * (high - low)
    top = high + 0.06 * (high - bottom)
    for axes in grid:
        axes.set_ylim(bottom, min(top, 101.0) if percent else top)


def fives_below(percent: float) -> float:
    """Return the multiple of 5 that lies at least 1 below, but not below 0: where an axis may begin."""
    return max(0.0, (percent - 1) // 5 * 5)


def clear_of(start: float, values: Iterable[float]) -> float:
    """Return where an axis may begin that would begin at `start`: lower, where that cuts no marker at a value."""
    for value in sorted(values, reverse=True):
        if abs(value - start) < MARKER:
            start = value - MARKER
    return max(0.0, start)
