"""Frontiers in one axes: a staircase with all snapshots behind it, and a key that ranks them by area."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import Affine2DBase, ScaledTranslation
from numpy.typing import NDArray

from tradeoff.analysis.frontier import pareto_front
from tradeoff.artifacts.limits import clear_of, fives_below
from tradeoff.artifacts.looks import Look
from tradeoff.artifacts.text import interval

# Inches from the lower end of axes to a key below their label, and of a line of such a key.
BELOW, LINE = 0.36, 0.15
# Inches of such a table: what its names take, a column, and a letter of a title that stands upright.
NAMES, COLUMN, LETTER = 1.2, 0.37, 0.052
TICKS = 6  # of an axis, at most

# The area of a frontier, the limits of its interval (NaN: none), and how it is drawn.
Ranked = tuple[float, float, float, Look]


def draw_frontier(
    axes: Axes, rows: pd.DataFrame, on_frontier: str, one: Look, *, small: bool = False
) -> None:
    """Draw snapshots faintly, their frontier as a staircase, and its points with intervals, in percent.

    rows: of tables/frontiers.csv; on_frontier: the column that says which lie on it. small: for one of many axes.
    """
    points = rows[["accuracy", "robustness"]].to_numpy()
    axes.plot(
        points[:, 0] * 100,
        points[:, 1] * 100,
        linestyle="",
        marker=one.marker,
        color=one.colour,
        markersize=2.2,
        alpha=0.25,
        mew=0.4,
    )
    axes.plot(*staircase(points), color=one.colour, linestyle=one.line, linewidth=0.8 if small else 1.1)
    kept = rows[rows[on_frontier]]
    x, y = kept["accuracy"] * 100, kept["robustness"] * 100
    axes.errorbar(
        x,
        y,
        xerr=_errors(kept, "accuracy"),
        yerr=_errors(kept, "robustness"),
        linestyle="",
        ecolor=one.colour,
        elinewidth=0.4,
        alpha=0.35 if small else 0.6,
        zorder=1.5,  # below lines and markers
        clip_on=False,
    )
    axes.plot(
        x,
        y,
        linestyle="",
        marker=one.marker,
        color=one.colour,
        markersize=2.8 if small else 3.5,
        markeredgewidth=0.6,
        clip_on=False,
    )


def staircase(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y, in percent, from the highest robustness at the left down to the highest accuracy.

    points: (n, 2) of (accuracy, robustness) in [0, 1].
    """
    front = pareto_front(points) * 100
    x = np.concatenate([[0], np.repeat(front[:, 0], 2)])
    y = np.concatenate([np.repeat(front[:, 1], 2), [0]])
    return x, y


def fit(axes: Axes, rows: pd.DataFrame, on_frontier: str) -> None:
    """Let both axes start a little below the frontiers with their intervals, and end by 100%."""
    lowest = rows.loc[rows[on_frontier], ["accuracy_low", "robustness_low"]].min() * 100
    left = clear_of(fives_below(lowest["accuracy_low"]), rows["accuracy"] * 100)
    bottom = clear_of(fives_below(lowest["robustness_low"]), rows["robustness"] * 100)
    axes.set_xlim(left, min(101.0, axes.get_xlim()[1]))
    axes.set_ylim(bottom, min(101.0, axes.get_ylim()[1]))
    axes.locator_params(nbins=TICKS)


def rank(axes: Axes, areas: Iterable[Ranked], *, below: bool = False) -> None:
    """Write the frontiers beside the axes, or below, largest area first, each with its area and interval."""
    handles = []
    for auc, low, high, one in sorted(areas, key=lambda area: -area[0]):
        words = [f"{auc:.3f}", interval(low, high, 3), one.label]
        handles.append(Line2D([], [], **one.line_style(), label="  ".join(filter(None, words))))
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes of a figure
    lower = ScaledTranslation(0, -BELOW, figure.dpi_scale_trans)
    axes.legend(
        handles=handles,
        title="Trade-off AUC",
        loc="upper left",
        bbox_to_anchor=(-0.02, 0) if below else (1.02, 1),
        bbox_transform=axes.transAxes + lower if below else axes.transAxes,
        alignment="left",
    )


def tabulate(axes: Axes, titles: Sequence[str], looks: Sequence[Look], areas: NDArray[np.float64]) -> bool:
    """Write a key with every frontier's area in every panel into axes that hold nothing else, the largest bold.

    areas: (looks, panels), NaN where there is none. False, and nothing written, where it does not fit.
    """
    spec, figure = axes.get_subplotspec(), axes.get_figure(root=True)
    assert spec is not None  # axes of a grid
    assert figure is not None
    assert isinstance(axes.transAxes, Affine2DBase)
    grid = spec.get_gridspec()
    width = len(spec.colspan) * figure.get_figwidth() / grid.ncols - 0.4
    height = figure.get_figheight() / grid.nrows - 0.55
    titles = [title.replace(", ", ",\n") for title in titles]
    header = max(len(line) for title in titles for line in title.splitlines()) * LETTER
    if NAMES + len(titles) * COLUMN > width or header + len(looks) * LINE > height:
        return False

    inches = figure.dpi_scale_trans + ScaledTranslation(0, 1, axes.transAxes)  # from the upper left corner
    places = [NAMES + (column + 0.6) * COLUMN for column in range(len(titles))]
    axes.text(0.1, -header - 0.2 * LINE, "Trade-off AUC", transform=inches, va="bottom")
    for x, title in zip(places, titles, strict=True):
        axes.text(x, -header, title, transform=inches, rotation=90, ha="center", va="bottom", fontsize=6)
    for line, (one, values) in enumerate(zip(looks, areas, strict=True)):
        y = -header - (line + 0.9) * LINE
        axes.plot(
            [0.1, 0.3, 0.5], [y] * 3, markevery=[1], transform=inches, clip_on=False, **one.line_style()
        )
        axes.text(0.6, y, one.label, transform=inches, va="center_baseline")
        for x, value, best in zip(places, values, np.nanmax(areas, axis=0), strict=True):
            axes.text(
                x,
                y,
                "\N{EM DASH}" if np.isnan(value) else f"{value:.3f}",
                transform=inches,
                ha="center",
                va="center_baseline",
                fontsize=6.5,
                weight="bold" if value == best else "normal",
            )
    return True


def _errors(rows: pd.DataFrame, name: str) -> list[list[float]]:
    """Lengths of error bars below and above, in percent; rounding must not make one negative."""
    sides = rows[name] - rows[f"{name}_low"], rows[f"{name}_high"] - rows[name]
    return [(side.clip(lower=0) * 100).tolist() for side in sides]
