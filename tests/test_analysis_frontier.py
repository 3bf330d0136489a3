"""Frontiers and areas, against brute force and counting on a grid."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tradeoff
from tradeoff.analysis.expected import expected_robustness
from tradeoff.analysis.frontier import above_average, on_frontier, pareto_front, tradeoff_auc, trapezoid_auc

PUBLISHED = Path(tradeoff.__file__).parent / "published" / "iccv2025_auc.csv"

# Tenths make ties and duplicates common, and let a grid of tenths measure areas exactly.
points = arrays(int, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(0, 10)).map(
    lambda a: a / 10
)
quick = settings(max_examples=100, deadline=None)


def brute_force_front(array: np.ndarray) -> set[tuple[float, float]]:
    """Every point that no other beats, by comparing all pairs."""
    candidates = {(float(x), float(y)) for x, y in array}
    return {
        (x, y)
        for x, y in candidates
        if not any((u >= x and v >= y and (u > x or v > y)) for u, v in candidates)
    }


def area_by_counting(array: np.ndarray) -> float:
    """The share of cells of a 10 by 10 grid whose middle some point dominates."""
    middles = (np.arange(10) + 0.5) / 10
    return float(np.mean([[any(x > u and y > v for x, y in array) for v in middles] for u in middles]))


@quick
@given(points)
def test_the_front_is_what_comparing_all_pairs_leaves_by_rising_accuracy(array: np.ndarray) -> None:
    front = pareto_front(array)
    assert {(x, y) for x, y in front.tolist()} == brute_force_front(array)
    assert (np.diff(front[:, 0]) > 0).all()
    assert (np.diff(front[:, 1]) < 0).all()


@quick
@given(points)
def test_points_on_the_front_are_marked_and_duplicates_with_them(array: np.ndarray) -> None:
    expected = [tuple(point) in brute_force_front(array) for point in array.tolist()]
    assert on_frontier(array).tolist() == expected


@quick
@given(points)
def test_the_area_is_the_share_of_the_unit_square_that_is_dominated(array: np.ndarray) -> None:
    assert tradeoff_auc(array) == pytest.approx(area_by_counting(array), abs=1e-12)


@quick
@given(points, st.randoms(use_true_random=False))
def test_order_duplicates_and_dominated_points_change_nothing(array: np.ndarray, random: object) -> None:
    rng = np.random.default_rng(random.randrange(2**32))  # type: ignore[attr-defined]
    dominated = array * rng.random(array.shape)
    more = rng.permutation(np.concatenate([array, array, dominated]))
    assert tradeoff_auc(more) == pytest.approx(tradeoff_auc(array), abs=1e-12)
    assert trapezoid_auc(more) == pytest.approx(trapezoid_auc(array), abs=1e-12)


@quick
@given(points, st.integers(0, 10), st.integers(0, 10))
def test_another_point_never_makes_the_area_smaller(array: np.ndarray, x: int, y: int) -> None:
    assert tradeoff_auc(np.concatenate([array, [[x / 10, y / 10]]])) >= tradeoff_auc(array) - 1e-12


def test_leading_axes_are_computed_each_for_itself() -> None:
    stack = np.random.default_rng(0).random((3, 4, 6, 2))
    areas = tradeoff_auc(stack)
    assert areas.shape == (3, 4)
    assert areas[2, 1] == pytest.approx(tradeoff_auc(stack[2, 1]), abs=1e-15)


def test_areas_of_a_staircase_worked_out_by_hand() -> None:
    # 0.5 x 0.6 left of the first point, 0.3 x 0.2 between the two.
    assert tradeoff_auc([[0.5, 0.6], [0.8, 0.2], [0.4, 0.3]]) == pytest.approx(0.36)
    assert trapezoid_auc([[0.5, 0.6], [0.8, 0.2], [0.4, 0.3]]) == pytest.approx(0.3 * (0.6 + 0.2) / 2)


def test_no_points_have_no_frontier_and_no_area() -> None:
    assert pareto_front(np.empty((0, 2))).shape == (0, 2)
    assert tradeoff_auc(np.empty((0, 2))) == 0
    assert trapezoid_auc([[0.9, 0.4]]) == 0


def test_above_average_of_the_published_areas_gives_the_published_percentages() -> None:
    with open(PUBLISHED, newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {name: [float(row[name]) for row in rows] for name in rows[0] if name != "strategy"}
    best = {name: round(float(above_average(column).max()) * 100, 1) for name, column in columns.items()}
    assert best == {
        "cifar10": 81.5,
        "cifar100": 75.0,
        "caltech256": 24.0,
        "cub200": 34.6,
        "stanford_dogs": 57.5,
    }


def test_above_average_of_nothing_but_zeros_is_undefined() -> None:
    assert np.isnan(above_average([0.0, 0.0])).all()


def test_expected_robustness_of_a_straight_line_is_its_middle_on_any_grid() -> None:
    for epsilons in ([0, 8 / 255], np.arange(9) / 255, [0, 1 / 255, 8 / 255]):
        accuracies = 0.9 - np.asarray(epsilons) * 255 * 0.05
        assert expected_robustness(epsilons, accuracies) == pytest.approx(0.9 - 4 * 0.05)


def test_expected_robustness_weighs_each_stretch_of_epsilon_by_its_length() -> None:
    # Two trapezoids: 1/255 wide of mean 0.7, 3/255 wide of mean 0.4.
    assert expected_robustness([0, 1 / 255, 4 / 255], [[0.8, 0.6, 0.2]]) == pytest.approx(
        [(0.7 + 3 * 0.4) / 4]
    )


def test_expected_robustness_up_to_a_size_leaves_out_all_larger_ones() -> None:
    epsilons, accuracies = [0, 2 / 255, 4 / 255, 0.5], [[0.8, 0.6, 0.2, 0.1], [1, 1, 1, 0]]
    for up_to in (4 / 255, 5 / 255):
        assert expected_robustness(epsilons, accuracies, up_to) == pytest.approx([(0.7 + 0.4) / 2, 1])
    assert expected_robustness(epsilons, accuracies, 0.5).max() < 0.6
    assert np.isnan(expected_robustness(epsilons, accuracies, 1 / 255)).all()


@pytest.mark.parametrize("epsilons", [[1 / 255, 2 / 255], [0], [0, 0.1, 0.1], [0, 0.2, 0.1]])
def test_expected_robustness_refuses_a_grid_that_does_not_rise_from_0(epsilons: list[float]) -> None:
    with pytest.raises(ValueError, match="rise from 0"):
        expected_robustness(epsilons, [0.5] * len(epsilons))
