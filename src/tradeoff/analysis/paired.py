"""Two objectives compared over many cells: are the differences more than chance?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


@dataclass(frozen=True)
class Paired:
    """How one set of values compares with another, cell by cell, first minus second.

    n: pairs; mean: of the differences; wins, losses: pairs in which the first is higher, lower.
    t, p: Student's paired t-test, two-sided. w, w_p: Wilcoxon's signed ranks, the smaller of the two rank
    sums, two-sided. NaN where a test is not defined.
    """

    n: int
    mean: float
    wins: int
    losses: int
    t: float
    p: float
    w: float
    w_p: float


def paired(first: ArrayLike, second: ArrayLike) -> Paired:
    """Compare values of the same cells, (n,) each; a pair with a NaN is left out.

    The t-test is not defined for fewer than two pairs, nor where all differences are equal; Wilcoxon's is
    not where all are 0. Differences of 0 are dropped from the ranks, as Wilcoxon did; p is exact for up
    to 50 pairs without ties, and the normal approximation otherwise.

    # ASSUME: cells are independent. Those that share a dataset or a backbone are not quite, so p values of
    both tests are too small.
    """
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    # Equal differences are to tie, whatever floats they came from.
    differences = np.round(differences[~np.isnan(differences)], 12)
    t = p = w = w_p = float("nan")
    if len(differences) > 1 and np.ptp(differences) > 0:
        t, p = map(float, stats.ttest_1samp(differences, 0.0))
    if np.any(differences != 0):
        w, w_p = map(float, stats.wilcoxon(differences, zero_method="wilcox"))
    mean = float(differences.mean()) if len(differences) else float("nan")
    return Paired(
        len(differences), mean, int((differences > 0).sum()), int((differences < 0).sum()), t, p, w, w_p
    )
