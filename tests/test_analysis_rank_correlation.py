"""Rank correlations over few datasets: beside scipy's permutation test, and beside printed tables."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test, spearmanr

from tradeoff.analysis.rank_correlation import rank_correlations, spearman

PAIRS = {
    "distinct": ([0.3, 0.1, 0.8, 0.5, 0.9, 0.2], [3, 1, 2, 5, 6, 4]),
    "ties": ([1, 1, 2, 3, 3, 4, 5], [2, 1, 2, 5, 3, 3, 4]),
    "three": ([1, 2, 3], [2, 3, 1]),
    "falling": ([1, 2, 3, 4, 5], [9, 7, 5, 3, 1]),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_p_values_of_few_points_are_those_of_all_orders(pair: tuple[list[float], list[float]]) -> None:
    first, second = pair
    rho, p = spearman(first, second)
    found = permutation_test(
        (first,),
        lambda order: abs(spearmanr(order, second).statistic),
        permutation_type="pairings",
        alternative="greater",
        n_resamples=np.inf,
    )
    assert rho == pytest.approx(spearmanr(first, second).statistic)
    assert p == pytest.approx(found.pvalue)


def test_p_values_of_many_points_are_students() -> None:
    noise = np.random.default_rng(0)
    first = noise.random(20)
    second = first + noise.random(20)
    found = spearmanr(first, second)
    assert spearman(first, second) == pytest.approx((found.statistic, found.pvalue))
    assert spearman(range(9), range(9)) == pytest.approx((1, 0))


# Critical values of tables of Spearman's rho, two-sided 5%: the least with p below 5%, and the largest below that.
@pytest.mark.parametrize(("n", "least"), [(6, 0.886), (7, 0.786), (8, 0.738)])
def test_p_is_below_5_percent_from_the_tables_critical_value_on(n: int, least: float) -> None:
    orders = itertools.islice(itertools.permutations(range(n)), 0, None, math.factorial(n) // 400)
    found = [spearman(range(n), order) for order in orders]
    assert all((p < 0.05) == (abs(rho) > least - 1e-3) for rho, p in found)
    assert any(p < 0.05 for _, p in found)


def test_columns_are_the_same_within_a_group_and_say_nothing_of_two_points_or_of_equal_ones() -> None:
    table = pd.DataFrame(
        {
            "family": [*("a" * 4), *("b" * 3), *("c" * 3)],
            "x": [1, 2, 3, 4, 1, 2, np.nan, 1, 2, 3],
            "y": [1, 3, 2, 4, 1, 2, 3, 7, 7, 7],
        }
    )
    found = rank_correlations(table, ["family"], ["x"], ["y"])
    assert found["rho_y_x"].tolist() == pytest.approx([0.8] * 4 + [np.nan] * 6, nan_ok=True)
    assert found["p_y_x"].tolist() == pytest.approx([8 / 24] * 4 + [np.nan] * 6, nan_ok=True)
