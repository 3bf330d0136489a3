"""Intervals, against explicit resampling, tables of Student's t, and coverage on made-up data."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from tradeoff.analysis.frontier import tradeoff_auc
from tradeoff.analysis.intervals import (
    mean_interval,
    percentile_interval,
    resampled_shares,
    resamples,
    with_seeds,
)


def test_resamples_draw_n_of_n_samples_and_depend_on_the_seed_alone() -> None:
    weights = resamples(50, 20, seed=3)
    assert weights.shape == (20, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert np.array_equal(weights, resamples(50, 20, seed=3))
    assert not np.array_equal(weights, resamples(50, 20, seed=4))


def test_samples_are_drawn_as_often_as_a_multinomial_distribution_says() -> None:
    weights = resamples(100, 2000, seed=0)
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.15)  # standard error 0.022
    assert weights.var() == pytest.approx(1 - 1 / 100, rel=0.03)


def test_weighted_counts_equal_the_shares_of_explicit_resamples() -> None:
    outcomes = np.random.default_rng(1).random((3, 40)) < 0.6
    weights = resamples(40, 10, seed=5)
    drawn = [np.repeat(np.arange(40), row.astype(int)) for row in weights]
    expected = [[outcome[indices].mean() for outcome in outcomes] for indices in drawn]
    assert resampled_shares(weights, outcomes) == pytest.approx(np.array(expected), abs=1e-12)


def test_the_interval_of_a_share_has_the_width_of_the_normal_approximation() -> None:
    n, share = 4000, 0.3
    outcomes = np.arange(n) < share * n
    low, high = percentile_interval(resampled_shares(resamples(n, 4000, 0), outcomes[None])[:, 0])
    half = 1.96 * np.sqrt(share * (1 - share) / n)
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.1 * half)


def test_percentile_intervals_cut_equal_tails() -> None:
    assert percentile_interval(np.arange(101), confidence=0.9) == pytest.approx((5, 95))
    assert all(np.isnan(percentile_interval([])))


def test_the_interval_of_an_area_covers_the_true_area_about_as_often_as_it_claims() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([[0.7, 0.5], [0.9, 0.2]])  # two snapshots: accuracy, and robust among all samples
    area = tradeoff_auc(truth)
    covered = 0
    for trial in range(150):
        luck = rng.random((300, 1))
        correct, robust = (luck < truth[:, kind] for kind in (0, 1))  # (n, snapshots) each
        weights = resamples(300, 200, seed=trial)
        points = np.stack([resampled_shares(weights, outcomes.T) for outcomes in (correct, robust)], axis=-1)
        low, high = percentile_interval(tradeoff_auc(points))
        covered += low <= area <= high
    assert 0.88 <= covered / 150 <= 0.99


@pytest.mark.parametrize(("seeds", "t"), [(3, 4.303), (5, 2.776)])
def test_without_sampling_error_seeds_give_the_interval_of_students_t(seeds: int, t: float) -> None:
    values = np.linspace(0.2, 0.4, seeds)
    half = t * values.std(ddof=1) / np.sqrt(seeds)
    assert with_seeds(0.3, (0.3, 0.3), values) == pytest.approx((0.3 - half, 0.3 + half), abs=1e-4)


def test_sampling_and_seeds_add_in_quadrature_on_each_side() -> None:
    values = [0.29, 0.30, 0.31]
    half = 4.30265 * np.std(values, ddof=1) / np.sqrt(3)
    low, high = with_seeds(0.3, (0.26, 0.38), values)
    assert (0.3 - low) ** 2 == pytest.approx(0.04**2 + half**2, rel=1e-4)
    assert (high - 0.3) ** 2 == pytest.approx(0.08**2 + half**2, rel=1e-4)


def test_two_seeds_are_both_covered_with_what_samples_leave_open() -> None:
    assert with_seeds(0.3, (0.26, 0.38), [0.25, 0.35]) == pytest.approx((0.21, 0.43))
    assert with_seeds(0.3, (0.3, 0.3), [0.25, 0.35]) == pytest.approx((0.25, 0.35))


def test_one_seed_leaves_the_sampling_interval_as_it_is() -> None:
    assert with_seeds(0.3, (0.2, 0.5), [0.3]) == (0.2, 0.5)


@pytest.mark.parametrize(("n", "fewest"), [(2, 2), (3, 3), (8, 3)])
def test_the_interval_of_a_mean_is_scipys_of_students_t(n: int, fewest: int) -> None:
    values = np.random.default_rng(n).normal(0.4, 0.1, n)
    found = ttest_1samp(values, 0).confidence_interval(0.9)
    assert mean_interval(values, 0.9, fewest) == pytest.approx((found.low, found.high))


def test_two_values_are_spanned_and_what_does_not_differ_has_no_interval() -> None:
    assert mean_interval([0.3, 0.1]) == (0.1, 0.3)
    for values in ([], [0.2], [0.2, 0.2, 0.2], [0.1 + 0.2, 0.3, 0.3], [0.1, np.nan, 0.3]):
        assert np.isnan(mean_interval(values)).all()
