"""Rise and fall of robustness: planted peaks, noise without one, and sums by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike
from safetensors.numpy import load_file
from synthetic_results import write_study

from tradeoff.analysis.courses import course, courses
from tradeoff.analysis.outcomes import AttackOutcomes
from tradeoff.artifacts.results import Results

FIRST_FOOLED, NEVER, WRONG = 1, 255, 0


def outcomes(failures: ArrayLike) -> AttackOutcomes:
    """Of one epsilon; failures: (snapshots, n)."""
    table = np.array(failures, dtype=np.uint8)
    return AttackOutcomes(table, np.arange(len(table)) * 10, np.arange(table.shape[1]), (0.1,))


def flicker(seed: int, shares: list[float], n: int = 400) -> AttackOutcomes:
    """Every sample resists at every snapshot by chance alone, as often as `shares` say."""
    drawn = np.random.default_rng(seed).random((len(shares), n))
    resists = drawn < np.array(shares)[:, None]
    return outcomes(np.where(resists, NEVER, FIRST_FOOLED))


def test_a_peak_on_which_both_halves_agree_is_the_highest_snapshot() -> None:
    found = course(
        outcomes(
            [
                [WRONG, WRONG, FIRST_FOOLED, FIRST_FOOLED],
                [NEVER, NEVER, NEVER, NEVER],
                [NEVER, FIRST_FOOLED, FIRST_FOOLED, WRONG],
            ]
        ),
        1,
    )
    assert (found["first"], found["peak"], found["last"], found["peak_step"]) == (0, 1, 0.25, 10)
    assert found["rise"].tolist() == [1, 1, 1, 1]
    assert found["fall"].tolist() == [0, 1, 1, 1]
    assert found["gain"].tolist() == [0, 0, 0, -1]


def test_each_half_is_measured_at_the_peak_of_the_other() -> None:
    even_at_10, odd_at_20 = [NEVER, FIRST_FOOLED] * 4, [FIRST_FOOLED, NEVER] * 4
    found = course(outcomes([[FIRST_FOOLED] * 8, even_at_10, odd_at_20]), 1)
    assert found["peak"] == 0  # what one half gains is noise to the other
    assert found["rise"].tolist() == [0] * 8


def test_a_course_that_only_flickers_does_not_fall_on_average() -> None:
    falls, naive = [], []
    for seed in range(200):
        one = flicker(seed, [0.3] * 12)
        falls.append(course(one, 1)["fall"].mean())
        shares = one.correct(1).mean(axis=1)
        naive.append(shares.max() - shares[-1])
    error = np.std(falls) / math.sqrt(len(falls))
    assert abs(np.mean(falls)) < 4 * error
    assert np.mean(naive) > 10 * error  # as it would be read off


def test_a_planted_fall_lies_in_its_interval_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    study = {
        "params": {"study": {"probes": ["pgd"]}, "probes": {"pgd": {"kind": "attack", "epsilons": [0.1]}}},
        "runs": [
            dict.fromkeys(("dataset", "backbone", "objective", "family", "strategy", "variant", "run"), "a")
            | {"seed": 0, "probes": {"pgd": ""}}
        ],
    }
    inside = 0
    for seed in range(200):
        one = flicker(seed, [0.1, 0.5, 0.2], n=100)
        monkeypatch.setattr("tradeoff.analysis.courses.read_attack_outcomes", lambda _, one=one: one)
        row = courses(study, Path(), 0.9).iloc[0]  # type: ignore[arg-type]
        inside += row["fall_low"] <= 0.3 <= row["fall_high"]
    assert 0.84 < inside / 200 < 0.96


def test_a_peak_at_the_last_snapshot_is_no_certainty_that_nothing_falls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = {
        "params": {"study": {"probes": ["pgd"]}, "probes": {"pgd": {"kind": "attack", "epsilons": [0.1]}}},
        "runs": [
            dict.fromkeys(("dataset", "backbone", "objective", "family", "strategy", "variant", "run"), "a")
            | {"seed": 0, "probes": {"pgd": ""}}
        ],
    }
    rising = flicker(0, [0.1, 0.4, 0.9], n=200)
    monkeypatch.setattr("tradeoff.analysis.courses.read_attack_outcomes", lambda _: rising)
    row = courses(study, Path(), 0.9).iloc[0]  # type: ignore[arg-type]
    assert row["fall"] == 0
    assert np.isnan([row["fall_low"], row["fall_high"]]).all()
    assert row["rise_low"] < row["rise"] < row["rise_high"]


def test_the_table_has_every_strategy_under_every_threat_with_seeds_joined(tmp_path: Path) -> None:
    write_study(tmp_path, strategies=("full", "lora"), seeds=(0, 1, 2), n=40)
    study = Results(tmp_path).study
    table = courses(study, tmp_path, 0.95)
    keys = ["dataset", "strategy", "probe", "epsilon"]
    assert len(table) == len(table[keys].drop_duplicates()) == 2 * 3
    assert set(table["seeds"]) == {3}
    row = table[(table["strategy"] == "lora") & (table["epsilon"] == table["epsilon"].min())].iloc[0]
    last = []
    for seed in range(3):
        name = f"digits/tiny_vit/lora/standard/seed{seed}/pgd.outcomes.safetensors"
        failure = load_file(tmp_path / "probes" / name)["first_failure"]
        last.append(sum(int(value) > 1 for value in failure[-1]) / 40)
    assert row["last"] == pytest.approx(sum(last) / 3)
    assert row["first"] + row["rise"] == pytest.approx(row["peak"])
    assert row["peak"] - row["fall"] == pytest.approx(row["last"])
    assert row["fall_low"] <= row["fall"] <= row["fall_high"]
