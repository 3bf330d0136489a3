"""Runs in a plane of two shares: a line from first to last snapshot, where a marker stands with its intervals."""

import pandas as pd
from matplotlib.axes import Axes

from tradeoff.artifacts.looks import look


def draw_paths(axes: Axes, rows: pd.DataFrame, x: tuple[str, str, str], y: tuple[str, str, str]) -> None:
    """Draw every run of one axes in its strategy's look, in percent.

    rows: one per run and snapshot, with the columns run, family and step; x, y: columns (value, low, high), shares in
    [0, 1].
    """
    for _, run in rows.groupby("run", sort=False):
        run = run.sort_values("step")
        one = look(str(run["family"].iloc[0]))
        axes.plot(run[x[0]] * 100, run[y[0]] * 100, color=one.colour, linestyle=one.line, linewidth=0.8)
        last = run.iloc[[-1]]
        axes.errorbar(
            last[x[0]] * 100,
            last[y[0]] * 100,
            xerr=_sides(last, x),
            yerr=_sides(last, y),
            color=one.colour,
            marker=one.marker,
            elinewidth=0.6,
            clip_on=False,
        )


def end_of(rows: pd.DataFrame, values: tuple[str, str, str]) -> float:
    """Return where an axis of such shares may end, in percent: a little above the highest limit."""
    return min(101.0, 100 * float(rows[values[2]].max()) + 3)


def _sides(last: pd.DataFrame, values: tuple[str, str, str]) -> list[list[float]]:
    """Lengths of error bars below and above, in percent; rounding must not make one negative."""
    value, low, high = (last[name] for name in values)
    return [(side.clip(lower=0) * 100).tolist() for side in (value - low, high - value)]
