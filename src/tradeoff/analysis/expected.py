"""Expected robustness: accuracy averaged over perturbation sizes."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def expected_robustness(
    epsilons: ArrayLike, accuracies: ArrayLike, up_to: float = np.inf
) -> NDArray[np.float64]:
    """Return the mean of accuracy over perturbation sizes from 0 to ε_g, by the trapezoid rule.

    Ngnawé et al., ICLR 2026: the integral of Acc(ε) over [0, ε_g], divided by ε_g, on multiples of 1/255.
    epsilons: (k,), rising, the first is 0; k ≥ 2. accuracies: (..., k), each in [0, 1]; the leading axes
    are kept. ε_g is the largest epsilon that is no larger than `up_to`; NaN when that is 0.

    # ASSUME: a grid other than the multiples of 1/255 is integrated as it is; a coarse grid overstates
    the value where the curve is convex, so values on different grids are not comparable.
    """
    grid = np.asarray(epsilons, dtype=float)
    if grid.ndim != 1 or len(grid) < 2 or grid[0] != 0 or np.any(np.diff(grid) <= 0):
        raise ValueError(f"epsilons have to rise from 0, not {grid.tolist()}")
    values = np.asarray(accuracies, dtype=float)[..., grid <= up_to]
    grid = grid[grid <= up_to]
    if len(grid) < 2:
        return np.full(values.shape[:-1], np.nan)
    mean: NDArray[np.float64] = np.trapezoid(values, grid, axis=-1) / grid[-1]
    return mean


def expected_with_limits(wide: pd.DataFrame, up_to: float) -> pd.DataFrame:
    """Return the columns expected, expected_low and expected_high of accuracies and their limits.

    wide: columns (accuracy, low or high; epsilon), whose rows' index is kept.
    """
    columns = {}
    # Means of limits are the limits of a mean that is fully correlated, and no tighter than any other.
    for source, end in (("accuracy", ""), ("low", "_low"), ("high", "_high")):
        values = wide[source].sort_index(axis=1)
        columns[f"expected{end}"] = expected_robustness(values.columns.to_numpy(), values.to_numpy(), up_to)
    return pd.DataFrame(columns, index=wide.index)
