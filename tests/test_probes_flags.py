"""Each sanity flag is raised by what it is for, and by nothing honest."""

import pytest

from tradeoff.probes.flags import flags

HONEST = {
    "first_points": 200,
    "zero_gradients": 0,
    "climbs": 190,
    "risen": 188,
    "fooled_by": {"pgd": 90},
    "norm": "linf",
}


def rows(*correct: int, epsilons: tuple[float, ...] = (0.0, 0.1, 0.2, 0.5), step: int = 3) -> list[dict]:
    return [
        {"step": step, "test_set": "digits", "epsilon": epsilon, "n": 100, "correct": count}
        for epsilon, count in zip(epsilons, correct, strict=True)
    ]


def test_an_honest_probe_raises_none():
    assert flags(rows(95, 60, 60, 0), {3: HONEST}) == []
    assert flags(rows(95, epsilons=(0.0,)), {}) == []


@pytest.mark.parametrize(
    ("counts", "changes", "words"),
    [
        ((50, 60, 20, 0), {}, "above accuracy"),
        ((95, 20, 40, 0), {}, "rises from epsilon 0.1 to 0.2"),
        ((95, 60, 20, 4), {}, "grey"),
        ((95, 60, 20, 0), {"zero_gradients": 30}, "exactly zero at 30 of 200"),
        ((95, 60, 20, 0), {"not_finite": 1}, "not finite for 1 of 100"),
        ((95, 60, 20, 0), {"risen": 90}, "90 of 190 climbs"),
        ((95, 60, 20, 0), {"fooled_by": {"apgd": 60, "square": 2}}, "black-box attack fooled 2 of 100"),
        ((95, 60, 20, 0), {"fooled_by": {"apgd": 0, "fab": 0, "square": 60}}, "fooled 60 of 100"),
    ],
)
def test_each_flag_has_its_cause(counts, changes, words):
    found = flags(rows(*counts), {3: HONEST | changes})
    assert len(found) == 1
    assert found[0].startswith("step 3: ")
    assert words in found[0]
    assert "suspect" in found[0]


def test_an_l2_ball_of_half_is_no_reason_for_suspicion():
    assert flags(rows(95, 60, 20, 4), {3: HONEST | {"norm": "l2"}}) == []


def test_square_alone_is_no_surprise():
    assert flags(rows(95, 60, 20, 0), {3: HONEST | {"fooled_by": {"square": 60}}}) == []


def test_shortcuts_may_change_one_verdict_in_a_hundred():
    audited = [row | {"audited": 200, "disagreed": 2} for row in rows(95, 60, 20, 0)]
    assert flags(audited, {3: HONEST}) == []
    audited[2]["disagreed"] = 5
    (found,) = flags(audited, {3: HONEST})
    assert "9 of 600 audited verdicts" in found
    assert "safety" in found


def test_few_samples_prove_nothing():
    few = HONEST | {"first_points": 3, "zero_gradients": 3, "climbs": 3, "risen": 0}
    assert flags(rows(95, 60, 20, 0), {3: few}) == []
