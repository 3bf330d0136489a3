"""The Pareto frontier of accuracy against robustness, and the area below it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def pareto_front(points: ArrayLike) -> Floats:
    """Return the points that no other point dominates, each once, by rising accuracy: (m, 2).

    points: (n, 2), accuracy and robustness, each in [0, 1]. One point dominates another when it is at
    least as good in both and better in one. No points give an empty frontier.
    """
    array = np.asarray(points, dtype=float).reshape(-1, 2)
    ordered = array[np.lexsort((-array[:, 1], -array[:, 0]))]
    best_before = np.concatenate([[-np.inf], np.maximum.accumulate(ordered[:, 1])[:-1]])
    return ordered[ordered[:, 1] > best_before][::-1]


def on_frontier(points: ArrayLike) -> NDArray[np.bool_]:
    """Say of each of (n, 2) points whether it lies on their frontier; equal points lie there together."""
    array = np.asarray(points, dtype=float).reshape(-1, 2)
    front = pareto_front(array)
    result: NDArray[np.bool_] = (array[:, None, :] == front[None, :, :]).all(axis=-1).any(axis=-1)
    return result


def tradeoff_auc(points: ArrayLike) -> Floats:
    """Return the area that the frontier's staircase encloses with (0, 0), in [0, 1].

    points: (..., n, 2), accuracy and robustness in [0, 1]; the leading axes are kept. The area is the
    two-dimensional hypervolume with the reference point (0, 0). No points enclose nothing.
    """
    array = np.asarray(points, dtype=float)
    order = np.argsort(-array[..., 0], axis=-1, kind="stable")
    accuracy = np.take_along_axis(array[..., 0], order, axis=-1)
    robustness = np.take_along_axis(array[..., 1], order, axis=-1)
    # From the right: between one accuracy and the next lower, the highest robustness so far counts.
    widths = accuracy - np.concatenate([accuracy[..., 1:], np.zeros_like(accuracy[..., :1])], axis=-1)
    area: Floats = np.sum(widths * np.maximum.accumulate(robustness, axis=-1), axis=-1)
    return area


def trapezoid_auc(points: ArrayLike) -> float:
    """Return the area below straight lines from frontier point to frontier point, over their accuracies.

    points: (n, 2). Unlike `tradeoff_auc` it leaves out everything left of the frontier's first point, so
    a frontier of one point has area 0.
    """
    front = pareto_front(points)
    return float(np.trapezoid(front[:, 1], front[:, 0]))


def above_average(areas: ArrayLike) -> Floats:
    """Return each area over the mean of all of them, minus one (Li et al., ICCV 2025).

    areas: (..., strategies); the mean goes over the last axis and includes the strategy itself. NaN
    where all areas are 0.
    """
    array = np.asarray(areas, dtype=float)
    mean = array.mean(axis=-1, keepdims=True)
    result: Floats = array / np.where(mean > 0, mean, np.nan) - 1
    return result
