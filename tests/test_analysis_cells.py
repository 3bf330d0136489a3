"""Methods within cells: numbers against the probes' own rows, worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic_results import GRID, RAMPS, ROBUST, write_study

from tradeoff.analysis.cells import at_budgets, complete, final_means, finals, over_cells, snapshots
from tradeoff.analysis.methods import methods
from tradeoff.analysis.metrics import last_and_peak
from tradeoff.analysis.ramps import ramp_times
from tradeoff.analysis.study_file import budgets, budgets_probed
from tradeoff.artifacts.results import Results
from workflow_scripts import gather


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("study")
    write_study(
        root,
        strategies=("full", "lora"),
        objectives=("standard", "rft_fix", "rft_sched"),
        sections=ROBUST | {"rft_sched": {**ROBUST["rft_sched"], "sweep": RAMPS}},
        seeds=(0, 1, 2),
        epsilons=GRID[:6],
        steps=(0, 64),
        shifts=(),
        corruptions=(),
        n=80,
    )
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    return Results(root)


def curve(results: Results, run: str, step: int, column: str = "accuracy") -> np.ndarray:
    rows = results.probes[results.probes["probe"] == "pgd"]
    rows = rows[(rows["run"] == run) & (rows["step"] == step)]
    return rows.sort_values("epsilon")[column].to_numpy()


def test_expected_robustness_is_the_mean_of_trapezoids_up_to_the_objectives_own_epsilon(
    results: Results,
) -> None:
    run = "digits/tiny_vit/full/rft_fix-epsilon4_255/seed1"
    row = finals(results.study, results.probes, "pgd").set_index(["run", "epsilon_g"]).loc[(run, 4 / 255)]
    values = curve(results, run, 64)
    trapezoids = sum((values[k] + values[k + 1]) / 2 for k in range(4)) / 4
    assert row["expected"] == pytest.approx(trapezoids)
    assert (row["clean"], row["adversarial"]) == (values[0], values[4])
    low = curve(results, run, 64, "low")
    assert row["adversarial_low"] == low[4]
    assert row["step"] == 64


def test_an_epsilon_that_was_not_probed_has_no_numbers_rather_than_those_of_another(results: Results) -> None:
    assert budgets(results.study) == [4 / 255, 8 / 255]
    assert budgets_probed(results.study) == [4 / 255]
    table = finals(results.study, results.probes, "pgd")
    at_8 = table[table["epsilon_g"] == 8 / 255]
    assert len(at_8)
    assert at_8[["clean", "adversarial", "expected"]].isna().all(axis=None)


def test_standard_fine_tuning_is_judged_at_every_epsilon_and_others_at_their_own(results: Results) -> None:
    table = snapshots(results.study, results.probes, "pgd")
    counts = table[table["step"] == 64].groupby(["objective_family", "epsilon_g"]).size().unstack()
    assert counts.loc["standard"].tolist() == [6, 6]  # two strategies, three seeds
    assert counts.loc["rft_fix"].tolist() == [6, 6]
    robust = table[table["objective_epsilon"] > 0]
    assert (robust["objective_epsilon"] == robust["epsilon_g"]).all()


def test_methods_are_objectives_without_their_epsilon(results: Results) -> None:
    named = {name: method.name for name, method in methods(results.study).items()}
    assert named["standard"] == "standard"
    assert named["rft_fix-epsilon4_255"] == named["rft_fix-epsilon8_255"] == "rft_fix"
    assert named["rft_sched-epsilon8_255-t10.1-t20.75"] == "rft_sched t1 0.1, t2 0.75"
    assert list(named) == list(dict.fromkeys(run["objective"] for run in results.study["runs"]))


def test_seeds_are_averaged_and_their_spread_widens_the_interval(results: Results) -> None:
    table = finals(results.study, results.probes, "pgd")
    joined = final_means(results.study, results.probes, "pgd")
    row = joined[
        (joined["method"] == "rft_fix") & (joined["strategy"] == "lora") & (joined["epsilon_g"] == 4 / 255)
    ]
    seeds = table[(table["objective"] == "rft_fix-epsilon4_255") & (table["strategy"] == "lora")]
    assert row["seeds"].item() == len(seeds) == 3
    assert row["adversarial"].item() == pytest.approx(seeds["adversarial"].mean())
    half = stats.t.ppf(0.975, 2) * seeds["adversarial"].std() / np.sqrt(3)
    below = seeds["adversarial"].mean() - seeds["adversarial_low"].mean()
    expected = max(0.0, seeds["adversarial"].mean() - np.hypot(half, below))
    assert row["adversarial_low"].item() == pytest.approx(expected)


def test_tables_of_strategies_and_of_objectives_give_the_same_limits(results: Results) -> None:
    judged = final_means(results.study, results.probes, "pgd")
    judged = judged[judged["epsilon_g"] == 4 / 255].set_index(["strategy", "objective"])
    made = results.study["params"]["tradeoff"] | {"headline": {"probe": "pgd", "epsilon": "4/255"}}
    study = results.study | {"params": results.study["params"] | {"tradeoff": made}}
    last = last_and_peak(study, results.probes).set_index(["strategy", "objective"])
    shown = judged.index.intersection(last.index)
    assert len(shown) >= 4
    for ours, theirs in (("clean", "accuracy"), ("adversarial", "robustness")):
        for end in ("", "_low", "_high"):
            other = {"accuracy_low": "low", "accuracy_high": "high"}.get(f"{theirs}{end}", f"{theirs}{end}")
            np.testing.assert_array_equal(judged.loc[shown, f"{ours}{end}"], last.loc[shown, other])


def test_means_over_cells_count_only_cells_that_have_every_method() -> None:
    rows = [("a", "rft_fix", 0.2), ("a", "rft_sched", 0.4), ("b", "rft_fix", 0.9)]
    table = pd.DataFrame(rows, columns=["dataset", "method", "clean"])
    table = table.assign(backbone="vit", strategy="full", epsilon_g=4 / 255, adversarial=0.1, expected=0.2)
    kept = complete(table)
    assert kept["dataset"].unique().tolist() == ["a"]
    means = over_cells(kept, ["method"]).set_index("method")
    assert means["clean"].to_dict() == {"rft_fix": 0.2, "rft_sched": 0.4}
    assert means["cells"].tolist() == [1, 1]


def test_methods_that_every_cell_has_are_compared_over_all_cells() -> None:
    rows = [(cell, method) for cell in ("full", "lora") for method in ("standard", "rft_fix")]
    table = pd.DataFrame([*rows, ("full", "rft_auto")], columns=["strategy", "method"])
    table = table.assign(dataset="a", backbone="vit", epsilon_g=4 / 255, clean=0.5)
    kept = complete(table)
    assert sorted(zip(kept["strategy"], kept["method"], strict=True)) == sorted(rows)


def test_a_method_of_one_epsilon_only_takes_nothing_away_at_another() -> None:
    rows = [(4 / 255, "rft_fix"), (4 / 255, "trades"), (8 / 255, "rft_fix")]
    table = pd.DataFrame(rows, columns=["epsilon_g", "method"])
    table = table.assign(dataset="a", backbone="vit", strategy="full", clean=0.5)
    assert len(complete(table)) == 3


def test_ramps_are_told_apart_in_shares_and_fixed_perturbations_start_at_once(results: Results) -> None:
    table = at_budgets(results.study, results.runs)
    times = ramp_times(results.study, table).drop_duplicates(["objective"]).set_index("objective")
    assert "standard" not in times.index
    assert times.loc["rft_fix-epsilon4_255", ["t1", "t2"]].tolist() == [0, 0]
    assert times.loc["rft_sched-epsilon4_255-t10.25-t21.0", ["t1", "t2"]].tolist() == [0.25, 1]


def test_a_ramp_is_told_by_the_epochs_that_it_was_trained_with(tmp_path: Path) -> None:
    sections = ROBUST | {"rft_sched": {**ROBUST["rft_sched"], "sweep": {"t1": [0.25, 12], "t2": [0.75, 37]}}}
    study = write_study(
        tmp_path,
        strategies=("full", "lora"),
        objectives=("rft_sched",),
        sections=sections,
        n=2,
        shifts=(),
        steps=(0, 16),
        corruptions=(),
        epochs=50,
    )
    for run in study["runs"]:
        if run["strategy"] == "lora":
            run["epochs"] = 100  # as its own recipe has it
    times = ramp_times(study, pd.DataFrame(study["runs"])).groupby("strategy")
    # The published T1 and T2, which a quarter and three quarters of 50 epochs are.
    assert times.get_group("full")[["t1", "t2"]].drop_duplicates().to_numpy().tolist() == [[12 / 50, 37 / 50]]
    assert sorted(times.get_group("lora")["t1"].unique()) == [0.12, 0.25]


def test_a_hard_switch_is_a_ramp_without_length() -> None:
    params = {"rft_switch": {"epsilon": "4/255", "at": 0.5}, "rft_fix": {"epsilon": "4/255"}}
    runs = [
        {
            "dataset": "a",
            "backbone": "vit",
            "strategy": "full",
            "objective": name,
            "objective_family": name,
            "epochs": 25,
        }
        for name in params
    ]
    study: Any = {"params": {"objectives": params}, "runs": runs}
    assert ramp_times(study, pd.DataFrame(runs))[["t1", "t2"]].to_numpy().tolist() == [
        [12 / 25, 12 / 25],
        [0, 0],
    ]


def test_a_study_without_a_robust_objective_has_nothing_to_judge_at(tmp_path: Path) -> None:
    study = write_study(tmp_path, strategies=("full",), n=20, steps=(0, 10))
    assert budgets(study) == budgets_probed(study) == []
