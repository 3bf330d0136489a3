"""Curves of strategies in one axes: a line with its band for each, and what to say of them below."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tradeoff.artifacts.labels import label_ends
from tradeoff.artifacts.limits import fit_values
from tradeoff.artifacts.looks import Look, look
from tradeoff.artifacts.text import two_noted

# Of a line: x and y of its last point, its name and colour.
End = tuple[float, float, str, str]


def draw_curves(
    axes: Axes, rows: pd.DataFrame, x: str, values: tuple[str, str, str], *, named: bool, percent: bool = True
) -> None:
    """Draw values (column, low, high) of every strategy against the column x.

    rows: one panel's, shares in [0, 1] where `percent`. A family with several variants has a thin line
    for each, their bands fainter. named: write the families' names at the right.
    """
    ends: list[End] = []
    for family, members in rows.groupby("family", sort=False):
        one = look(str(family))
        curves = [curve for _, curve in members.groupby("strategy", sort=False)]
        width = 1.2 if len(curves) == 1 else 0.7
        drawn = [
            _draw_curve(axes, curve, x, values, one, width, 0.1 / len(curves), percent) for curve in curves
        ]
        ends.append(drawn[0])
    fit_values([axes], percent=percent)
    if named:
        label_ends(axes, ends)


def draw_variants(
    axes: Axes, rows: pd.DataFrame, x: str, values: tuple[str, str, str], looks: dict[str, Look]
) -> None:
    """Draw values (column, low, high), shares in [0, 1], of every variant of one family.

    looks: how each variant is drawn, by its name in the column `strategy`.
    """
    curves = rows.groupby("strategy", sort=False)
    for name, curve in curves:
        _draw_curve(axes, curve, x, values, looks[str(name)], 1.0, 0.2 / len(curves), percent=True)
    fit_values([axes])


def _draw_curve(
    axes: Axes,
    curve: pd.DataFrame,
    x: str,
    values: tuple[str, str, str],
    one: Look,
    width: float,
    alpha: float,
    percent: bool,
) -> End:
    """Draw a line with its band; return where it ends, and its label and colour."""
    curve = curve.sort_values(x)
    value, low, high = (curve[name] * (100 if percent else 1) for name in values)
    axes.fill_between(curve[x], low, high, color=one.colour, alpha=alpha, linewidth=0)
    axes.plot(
        curve[x], value, **one.line_style(), linewidth=width, markevery=_some(len(curve)), clip_on=False
    )
    return float(curve[x].iloc[-1]), float(value.iloc[-1]), one.label, one.colour


def _some(n: int) -> list[int]:
    """Where markers go: the last point, and at most five others evenly before it."""
    return sorted({round(place) for place in np.linspace(0, n - 1, min(n, 6))})


def images_noted(table: pd.DataFrame, which: str = "test") -> str:
    """Say how many images (of the test set, or which) the rows of a table with a column n were measured on."""
    counts = sorted({int(n) for n in table["n"]})
    return (
        f"n = {counts[0]:,} {which} images"
        if len(counts) == 1
        else f"n = {counts[0]:,} to {counts[-1]:,} {which} images"
    )


def bands_noted(table: pd.DataFrame, least: str = "95% intervals") -> str:
    """Say what the bands of a table with seeds joined (`seeds.over_seeds`) are; least: with one seed."""
    return f"bands: {least}{seeds_noted(table)}{two_noted(table['seeds'])}"


def seeds_noted(table: pd.DataFrame) -> str:
    """Say how many seeds were averaged, if more than one was."""
    most = int(table["seeds"].max())
    return f", joined over up to {most} seeds" if most > 1 else ""


def sets_noted(means: pd.DataFrame, probed: pd.DataFrame) -> str:
    """Say how many shifted test sets accuracy out of distribution is a mean of, and how many images they have.

    means: of `shift.mean_over_test_sets`; probed: what it was made from, rows of the shift probes.
    """
    counts = sorted({int(count) for count in means["test_sets"]})
    images = images_noted(probed[probed["test_set"] != probed["dataset"]])
    if counts == [1]:
        return f"out of distribution: one shifted test set, {images}"
    many = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    return f"out of distribution: mean over {many} shifted test sets, {images} in each"
