"""Uncertainty: a bootstrap over test samples, and the spread over seeds."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]
# So many seeds, or cells, tell their spread well enough for an interval.
STUDENT_FROM = 3


def resamples(n: int, replicates: int, seed: int) -> NDArray[np.float32]:
    """Return how often each of n samples is drawn in each bootstrap replicate: (replicates, n).

    Every row sums to n. The same arguments give the same draws, so everything that is measured on the
    same samples is resampled alike, and differences between strategies are paired.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    weights = np.empty((replicates, n), dtype=np.float32)
    for row in weights:
        row[:] = np.bincount(generator.integers(0, n, size=n), minlength=n)
    return weights


def resampled_shares(weights: NDArray[np.float32], outcomes: NDArray[np.bool_]) -> Floats:
    """Return the share of successes in each bootstrap replicate: (replicates, m).

    weights: (replicates, n) from `resamples`; outcomes: (m, n). The counts are whole numbers below 2^24,
    so float32 products are exact and the result depends on neither threads nor the order of sums.
    """
    shares: Floats = (weights @ outcomes.T.astype(np.float32)).astype(float) / outcomes.shape[1]
    return shares


def percentile_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return the limits between which the central share `confidence` of bootstrap values lies.

    values: (replicates,); NaN and NaN when there are none.

    # ASSUME: the percentile interval. A frontier picks the best of noisy snapshots, so areas of
    replicates lie slightly above the estimate; the interval inherits that.
    """
    array = np.asarray(values, dtype=float)
    if array.size == 0 or np.isnan(array).any():
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(array, [tail, 1 - tail])
    return float(low), float(high)


def with_seeds(
    estimate: float, limits: tuple[float, float], per_seed: ArrayLike, confidence: float = 0.95
) -> tuple[float, float]:
    """Widen an interval over test samples by the spread over seeds.

    estimate: the mean over seeds; limits: its interval over test samples; per_seed: (seeds,) values.
    With one seed the spread is unknown and `limits` come back unchanged: read such an interval as
    conditional on the seed. With two it is hardly known: Student's factor would be 12.7, and the interval
    so wide that it says nothing. What comes back then is no interval over seeds, but covers both: from
    the lower one, less what test samples leave open below, to the higher one, with what they leave above.

    # ASSUME: samples and seeds err independently, seeds normally. The half-widths, the percentile one
    and Student's t over seeds, add in quadrature on each side.
    """
    values = np.asarray(per_seed, dtype=float)
    below, above = (np.maximum(side, 0) for side in (estimate - limits[0], limits[1] - estimate))
    if len(values) < 2:
        return limits
    if len(values) < STUDENT_FROM:
        return float(values.min() - below), float(values.max() + above)
    half = _student_half(values, confidence)
    return estimate - float(np.hypot(below, half)), estimate + float(np.hypot(above, half))


def mean_interval(
    values: ArrayLike, confidence: float = 0.95, fewest: int = STUDENT_FROM
) -> tuple[float, float]:
    """Return Student's limits of the mean of independent values, (n,), from their spread alone.

    Of fewer than `fewest` values they just span these (see `with_seeds`). Beside a t-test fewest is 2, so that the
    interval leaves out 0 where the test says so. NaN and NaN for a single value, where one is NaN, and where all agree:
    that does not tell a spread.
    """
    array = np.asarray(values, dtype=float)
    if len(array) < 2 or np.isnan(array).any() or np.ptp(array.round(12)) == 0:
        return np.nan, np.nan
    if len(array) < fewest:
        return float(array.min()), float(array.max())
    mean, half = float(array.mean()), _student_half(array, confidence)
    return mean - half, mean + half


def _student_half(values: Floats, confidence: float) -> float:
    """How far the mean of values, (n,), may be off; n >= 2."""
    return float(stdtrit(len(values) - 1, (1 + confidence) / 2) * values.std(ddof=1) / np.sqrt(len(values)))
