"""Pairs of probes of one run that cannot both be right."""

from typing import Any

import pytest

from tradeoff.analysis.contradictions import contradictions


def row(probe: str, threat: str, epsilon: float | None, correct: int, **other: Any) -> dict[str, Any]:
    common = {"step": 6, "test_set": "digits", "n": 1000}
    return common | {"probe": probe, "threat": threat, "epsilon": epsilon, "correct": correct} | other


CLEAN = row("clean", "none", 0.0, 900)
WEAK = row("large", "pgd linf", 8 / 255, 700)


def flagged(*rows: dict[str, Any]) -> list[str]:
    return [one["flag"] for one in contradictions(rows)]


def test_robustness_above_the_accuracy_of_another_probe() -> None:
    assert contradictions([CLEAN, row("pgd", "pgd linf", 4 / 255, 903)]) == [
        {
            "probe": "pgd",
            "flag": "step 6: robustness above accuracy: 900/1000 clean (clean), 903/1000 at 4/255 (pgd); suspect"
            " other images or modes of the model, or an attack too weak",
        }
    ]


def test_robustness_that_rises_from_one_probe_to_another_whatever_their_order() -> None:
    small = row("small", "pgd linf", 4 / 255, 697)
    for rows in ((small, WEAK), (WEAK, small)):
        (words,) = flagged(*rows)
        assert words.startswith(
            "step 6: robustness rises with epsilon: 697/1000 at 4/255 (small), 700/1000 at 8/255"
        )


def test_accuracies_without_attack_that_differ() -> None:
    (words,) = flagged(CLEAN, row("pgd", "none", 0.0, 897))
    assert "not judged alike without attack" in words


@pytest.mark.parametrize(
    "other",
    [
        row("small", "pgd linf", 4 / 255, 698),  # within what random starts change
        row("small", "apgd linf", 4 / 255, 600),  # another attack may be the stronger one
        row("small", "pgd l2", 4 / 255, 600),
        row("large", "pgd linf", 4 / 255, 600),  # one probe is judged by its own flags
        row("small", "pgd linf", 4 / 255, 600, step=7),
        row("small", "pgd linf", 4 / 255, 600, test_set="cars"),
        row("small", "pgd linf", 4 / 255, 600, n=999),
        row("common", "fog", None, 600),
    ],
    ids=["tolerance", "attack", "norm", "probe", "step", "test set", "samples", "corruption"],
)
def test_what_may_be_is_not_flagged(other: dict[str, Any]) -> None:
    assert flagged(WEAK, other) == []


def test_honest_probes_and_few_samples_raise_nothing() -> None:
    assert flagged(CLEAN, row("pgd", "none", 0.0, 900), row("pgd", "pgd linf", 4 / 255, 850), WEAK) == []
    assert flagged(row("clean", "none", 0.0, 9, n=19), row("pgd", "pgd linf", 4 / 255, 19, n=19)) == []
