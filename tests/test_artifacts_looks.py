"""Looks, limits and labels of figures: apart from any study."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.figure import Figure
from synthetic_results import SEVEN

from tradeoff.artifacts.labels import spread
from tradeoff.artifacts.limits import MARKER, clear_of, fit_values
from tradeoff.artifacts.looks import LOOKS, OBJECTIVES, look, method_look

positions = arrays(float, st.integers(1, 8), elements=st.floats(0, 1))


@pytest.mark.parametrize(
    ("values", "limits"),
    [([0.1, 20], (0, 21.2)), ([60, 90], (57.6, 91.944)), ([50, 99.9], (46.008, 101))],
    ids=["from zero", "from below the lowest", "no further than 100%"],
)
def test_axes_are_fitted_to_what_they_show(values: list[float], limits: tuple[float, float]) -> None:
    axes = Figure().subplots()
    axes.plot(values)
    fit_values([axes])
    assert axes.get_ylim() == pytest.approx(limits)


@given(st.floats(0, 95), st.lists(st.floats(0, 100), max_size=30))
def test_an_axis_begins_lower_where_that_cuts_no_marker(start: float, values: list[float]) -> None:
    found = clear_of(start, values)
    assert 0 <= found <= start
    assert found == 0 or all(abs(value - found) >= MARKER - 1e-9 for value in values)
    if all(abs(value - start) >= MARKER for value in values):
        assert found == start


def test_strategies_differ_in_colour_and_in_marker_with_line() -> None:
    looks = [look(name) for name in (*SEVEN, "norm", "lp_ft", "dora", "vpt", "union")]
    assert len({one.colour for one in looks}) == len({(one.marker, one.line) for one in looks}) == 12


def test_objectives_differ_in_colour_and_in_marker() -> None:
    looks = [method_look(name) for name in OBJECTIVES]
    assert len({one.colour for one in looks}) == len({one.marker for one in looks}) == len(OBJECTIVES)


def test_a_method_of_a_sweep_looks_as_its_objective_and_says_what_sets_it_apart() -> None:
    one, other = method_look("rft_sched"), method_look("rft_sched t1 0.1")
    assert (one.colour, one.marker) == (other.colour, other.marker)
    assert other.label == "RFT sched t1 0.1"


def test_a_strategy_not_listed_keeps_its_look_whatever_else_is_drawn() -> None:
    assert look("my_own") == look("my_own")
    assert look("my_own").colour not in {one.colour for one in LOOKS.values()}


@settings(max_examples=100, deadline=None)
@given(positions, st.floats(0.01, 0.3))
def test_spread_labels_keep_their_distance_their_order_and_their_room(places: np.ndarray, gap: float) -> None:
    result = spread(places, gap, 0.0, 1.0)
    assert (np.diff(np.sort(result)) >= gap - 1e-9).all()
    assert (places[np.argsort(result)] == np.sort(places)).all()
    if (len(places) - 1) * gap <= 1:
        assert result.min() >= -1e-9
        assert result.max() <= 1 + 1e-9


@settings(max_examples=50, deadline=None)
@given(positions, st.floats(0.01, 0.1), st.integers(0, 2**32 - 1))
def test_no_other_allowed_arrangement_moves_labels_less(places: np.ndarray, gap: float, seed: int) -> None:
    best = spread(places, gap, 0.0, 1.0)
    rng = np.random.default_rng(seed)
    order = np.argsort(best)
    for _ in range(20):
        tried = best.copy()
        tried[order] += np.sort(rng.normal(0, 0.05, len(places)))  # rising shifts never bring two closer
        tried[order] += rng.normal(0, 0.02)
        if tried.min() >= 0 and tried.max() <= 1:
            assert ((tried - places) ** 2).sum() >= ((best - places) ** 2).sum() - 1e-9


def test_labels_already_apart_stay_where_they_are() -> None:
    assert spread(np.array([0.9, 0.1, 0.5]), 0.1, 0.0, 1.0) == pytest.approx([0.9, 0.1, 0.5])
