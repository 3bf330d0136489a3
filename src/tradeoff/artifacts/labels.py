"""Names at the ends of lines, and above places, pushed apart so that none overlaps another."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write a name to the right of the axes for each line, joined to the line's end by a thin leader.

    ends: (x, y, text, colour) in data coordinates; call it when the limits of the axes are final.
    """
    if not ends:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes of a figure
    figure.draw_without_rendering()
    height = axes.get_window_extent().height
    size = 6.5
    gap = size * 1.25 * figure.dpi / 72 / height
    to_axes = axes.transAxes.inverted()
    places = np.array([to_axes.transform(axes.transData.transform((x, y)))[1] for x, y, _, _ in ends])
    targets = spread(places, gap, 0.0, 1.0)
    for (x, y, text, colour), target in zip(ends, targets, strict=True):
        axes.annotate(
            text,
            xy=(x, y),
            xytext=(1.05, float(target)),
            textcoords="axes fraction",
            color=colour,
            fontsize=size,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.4,
                "alpha": 0.6,
                "relpos": (0, 0.5),
                "patchA": None,  # the leader ends at the text, not at a frame around it
                "shrinkA": 1,
                "shrinkB": 2,
            },
        )


def name_places(axes: Axes, places: dict[str, float]) -> None:
    """Write names above the axes, upwards, each joined to its x; call it when the limits of the axes are final.

    places: x in data coordinates, by name.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes of a figure
    figure.draw_without_rendering()
    size = 6.0
    # More than names need: names at the right of the axes may take of its width afterwards.
    gap = size * 1.8 * figure.dpi / 72 / axes.get_window_extent().width
    to_axes = axes.transAxes.inverted()
    exact = np.array([to_axes.transform(axes.transData.transform((x, 0)))[0] for x in places.values()])
    for name, x, target in zip(places, exact, spread(exact, gap, 0.0, 1.0), strict=True):
        axes.annotate(
            name,
            xy=(float(x), 1.0),
            xytext=(float(target), 1.07),
            xycoords="axes fraction",
            fontsize=size,
            rotation=90,
            ha="center",
            va="bottom",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": "0.6",
                "linewidth": 0.4,
                "relpos": (0.5, 0),
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )


def spread(positions: NDArray[np.float64], gap: float, low: float, high: float) -> NDArray[np.float64]:
    """Return positions at least `gap` apart, within [low, high] where they fit, moved as little as possible.

    Their order is kept; of equal ones the first comes out on top. Least squares: subtracting i * gap from
    the i-th smallest turns the distances into an order, which pooling neighbours that violate it restores
    (isotonic regression); clipping its solution gives that of the bounded problem.
    """
    n = len(positions)
    order = np.lexsort((-np.arange(n), positions))
    offsets = np.arange(n) * gap
    blocks: list[tuple[float, int]] = []
    for value in positions[order] - offsets:
        blocks.append((float(value), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (upper, many), (lower, more) = blocks.pop(), blocks.pop()
            blocks.append(((upper * many + lower * more) / (many + more), many + more))
    pooled = np.concatenate([np.full(count, value) for value, count in blocks])
    if high - low >= (n - 1) * gap:
        pooled = pooled.clip(low, high - (n - 1) * gap)
    result = np.empty(n)
    result[order] = pooled + offsets
    return result
