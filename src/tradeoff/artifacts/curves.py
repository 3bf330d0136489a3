"""Curves of strategies in one axes: a line with its band for each, and what to say of them below."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tradeoff.artifacts.labels import label_ends
from tradeoff.artifacts.looks import look


def draw_curves(
    axes: Axes, rows: pd.DataFrame, x: str, values: tuple[str, str, str], *, named: bool, percent: bool = True
) -> None:
    """Draw values (column, low, high) of every strategy against the column x.

    rows: one panel's, shares in [0, 1] where `percent`. A family with several variants has a thin line
    for each, their bands fainter. named: write the families' names at the right.
    """
    value, low, high = values
    scale = 100 if percent else 1
    ends: list[tuple[float, float, str, str]] = []
    for family, members in rows.groupby("family", sort=False):
        one = look(str(family))
        curves = [curve.sort_values(x) for _, curve in members.groupby("strategy", sort=False)]
        for curve in curves:
            axes.fill_between(
                curve[x],
                curve[low] * scale,
                curve[high] * scale,
                color=one.colour,
                alpha=0.1 / len(curves),
                linewidth=0,
            )
            axes.plot(
                curve[x],
                curve[value] * scale,
                **one.line_style(),
                linewidth=1.2 if len(curves) == 1 else 0.7,
                markevery=_some(len(curve)),
            )
        last = curves[0].iloc[-1]
        ends.append((float(last[x]), float(last[value]) * scale, one.label, one.colour))
    _from_zero(axes, percent)
    if named:
        label_ends(axes, ends)


def _some(n: int) -> list[int]:
    """Where markers go: the last point, and at most five others evenly before it."""
    return sorted({round(place) for place in np.linspace(0, n - 1, min(n, 6))})


def _from_zero(axes: Axes, percent: bool) -> None:
    top = axes.get_ylim()[1]
    axes.set_ylim(0, min(top, 101) if percent else top)


def images_noted(table: pd.DataFrame) -> str:
    """Say how many test images the rows of a table with a column n were measured on."""
    counts = sorted({int(n) for n in table["n"]})
    return (
        f"n = {counts[0]:,} test images"
        if len(counts) == 1
        else f"n = {counts[0]:,} to {counts[-1]:,} test images"
    )


def seeds_noted(table: pd.DataFrame) -> str:
    """Say how many seeds were averaged, if more than one was."""
    most = int(table["seeds"].max())
    return f", joined over up to {most} seeds" if most > 1 else ""
