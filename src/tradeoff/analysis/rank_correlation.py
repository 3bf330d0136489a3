"""Whether values rise with a measure over a study's datasets: Spearman's rank correlation, and how sure that is."""

import itertools
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr
from scipy.stats import rankdata

FEWEST = 3  # of two points every rank correlation is 1 or -1
# So many points have few enough orders (8! = 40,320) to go through them all.
EXACT_UP_TO = 8
ROUNDING = 1e-9


def rank_correlations(
    table: pd.DataFrame, group: list[str], measures: Sequence[str], values: Sequence[str]
) -> pd.DataFrame:
    """Return a table with columns `rho_<value>_<measure>` and `p_<value>_<measure>`, the same within each group.

    rho is the correlation of ranks, equal values sharing their mean rank, in [-1, 1]; p is two-sided, see
    `spearman`. Rows that lack either are left out. nan for fewer than three rows, or where either never changes.
    """
    table = table.reset_index(drop=True)
    for measure, value in itertools.product(measures, values):
        names = [f"rho_{value}_{measure}", f"p_{value}_{measure}"]
        table[names] = float("nan")
        for _, rows in table.groupby(group, sort=False):
            pair = rows[[measure, value]].dropna()
            if len(pair) >= FEWEST and pair.nunique().min() > 1:
                table.loc[rows.index, names] = spearman(pair[measure], pair[value])
    return table


def spearman(first: ArrayLike, second: ArrayLike) -> tuple[float, float]:
    """Return Spearman's rank correlation of two sets of n values, n at least 3, neither all equal, and its p.

    p, two-sided: how often a random order of the second set has a correlation as far from 0. Of up to eight points
    all orders are gone through; of more, it is Student's approximation with n - 2 degrees of freedom.
    """
    a, b = rankdata(np.asarray(first)), rankdata(np.asarray(second))
    rho = float(np.corrcoef(a, b)[0, 1])
    n = len(a)
    if n > EXACT_UP_TO:
        left = max(1 - rho**2, ROUNDING**2)
        return rho, float(2 * stdtr(n - 2, -abs(rho) * np.sqrt((n - 2) / left)))
    found = _scaled(a, b[_orders(n)])
    return rho, float(np.mean(np.abs(found) >= abs(rho) - ROUNDING))


@cache
def _orders(n: int) -> NDArray[np.int64]:
    """Every order of n things: (n!, n)."""
    return np.array(list(itertools.permutations(range(n))))


def _scaled(one: NDArray[Any], orders: NDArray[Any]) -> NDArray[np.float64]:
    """The correlation of (n,) ranks with each of (m, n): (m,)."""
    a, b = one - one.mean(), orders - orders.mean(axis=1, keepdims=True)
    result: NDArray[np.float64] = (b @ a) / np.sqrt((a @ a) * (b**2).sum(axis=1))
    return result
