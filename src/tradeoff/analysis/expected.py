"""Expected robustness: accuracy averaged over perturbation sizes."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def expected_robustness(epsilons: ArrayLike, accuracies: ArrayLike) -> NDArray[np.float64]:
    """Return the mean of accuracy over perturbation sizes from 0 to the largest, by the trapezoid rule.

    Ngnawé et al., ICLR 2026: the integral of Acc(ε) over [0, ε_g], divided by ε_g, on multiples of 1/255.
    epsilons: (k,), rising, the first is 0 and the last ε_g; k ≥ 2.
    accuracies: (..., k), each in [0, 1]; the leading axes are kept.

    # ASSUME: a grid other than the multiples of 1/255 is integrated as it is; a coarse grid overstates
    the value where the curve is convex, so values on different grids are not comparable.
    """
    grid = np.asarray(epsilons, dtype=float)
    if grid.ndim != 1 or len(grid) < 2 or grid[0] != 0 or np.any(np.diff(grid) <= 0):
        raise ValueError(f"epsilons have to rise from 0, not {grid.tolist()}")
    mean: NDArray[np.float64] = np.trapezoid(np.asarray(accuracies, dtype=float), grid, axis=-1) / grid[-1]
    return mean
