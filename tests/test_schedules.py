"""Probe schedules and learning rates, against what the papers' schedules list and closed forms."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeoff.schedules import kept_steps, learning_rate, probe_steps, total_steps

PAPER = [{"until": 700, "every": 50}, {"until": 3000, "every": 1000}, {"every": 6000}]
CODE = [
    {"until": 100, "every": 50},
    {"until": 300, "every": 30},
    {"until": 1000, "every": 200},
    {"until": 3000, "every": 2000},
    {"until": 10000, "every": 4000},
    {"until": 30000, "every": 6000},
    {"every": 20000},
]


def test_the_papers_schedule_lists_every_50_steps_to_700_then_every_1000_then_every_6000():
    steps = probe_steps(PAPER, 15_000)
    assert steps == [*range(0, 701, 50), 1700, 2700, 9000, 15_000]


def test_the_codes_schedule_starts_as_published():
    assert probe_steps(CODE, 1000)[:12] == [0, 50, 100, 130, 160, 190, 220, 250, 280, 500, 700, 900]


entries = st.lists(st.tuples(st.integers(1, 500), st.integers(1, 50)), min_size=1, max_size=4)


@given(entries, st.integers(1, 2000))
def test_snapshots_rise_start_at_0_and_end_at_the_last_step(pairs, total):
    until, schedule = 0, []
    for width, every in pairs:
        until += width
        schedule.append({"until": until, "every": every})
    steps = probe_steps(schedule, total)
    assert steps[0] == 0 and steps[-1] == total
    assert all(low < high for low, high in itertools.pairwise(steps))


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [0.1, 10])
def test_warm_up_rises_to_the_peak_in_the_stated_steps(schedule, warmup):
    rates = [learning_rate(step, 100, 1.0, schedule, warmup) for step in range(100)]
    assert rates[:11] == pytest.approx([(step + 1) / 11 for step in range(11)])
    assert max(rates) == 1.0


def test_decay_follows_its_closed_form():
    for step in range(20, 100):
        progress = (step - 20) / 80
        assert learning_rate(step, 100, 3.0, "linear", 20) == pytest.approx(3 * (1 - progress))
        cosine = 3 * math.cos(math.pi * progress / 2) ** 2  # half-angle form of (1 + cos) / 2
        assert learning_rate(step, 100, 3.0, "cosine", 20) == pytest.approx(cosine)


def test_an_epoch_counts_its_last_smaller_batch():
    assert total_steps(2, 100, 32) == 8
    assert total_steps(0.5, 100, 32) == 2


def test_all_the_last_or_each_nth_of_the_scheduled_snapshots_are_kept():
    steps = [0, 5, 10, 20, 40, 41]
    assert kept_steps(steps, "all") == steps
    assert kept_steps(steps, "last") == [41]
    assert kept_steps(steps, {"every": 2}) == [0, 10, 40, 41]
    assert kept_steps(steps, {"every": 5}) == [0, 41]
    assert kept_steps(steps, {"every": 100}) == [0, 41]
