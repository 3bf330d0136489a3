"""Onset, delay, severity and their correlation, on courses whose answers are plain."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tradeoff.analysis.adaptation import adaptation, correlation, onset_epoch, severity, transfer, validations

NAN = float("nan")


def study(threshold: float = 0.05) -> dict[str, Any]:
    objectives = {"standard": (0.0, "standard"), "rft_fix-epsilon4_255": (4 / 255, "rft_fix")}
    runs = [
        {"objective": name, "objective_epsilon": size, "objective_family": family}
        for name, (size, family) in objectives.items()
    ]
    sections = {"standard": {}, "rft_fix": {"sweep": {"epsilon": ["4/255"]}}}
    return {"params": {"tradeoff": {"onset_accuracy": threshold}, "objectives": sections}, "runs": runs}


def run(
    objective: str,
    accuracies: list[float],
    seed: int = 0,
    robust: list[float] | None = None,
    attacked_at: float = 4 / 255,
) -> pd.DataFrame:
    """The log of a run with ten steps an epoch and a validation at the end of each."""
    epochs = len(accuracies)
    epsilon = 0.0 if objective == "standard" else 4 / 255
    frame = pd.DataFrame({"step": np.arange(1, 10 * epochs + 1)})
    frame["epoch"] = frame["step"] / 10
    for name, values in (
        ("validation_accuracy", accuracies),
        ("validation_robust_accuracy", robust or [NAN] * epochs),
        ("validation_robust_loss", [NAN] * epochs),
        ("validation_epsilon", [attacked_at if robust else NAN] * epochs),
    ):
        frame[name] = NAN
        frame.loc[frame["step"] % 10 == 0, name] = values
    about = {
        "run": f"{objective}/{seed}",
        "dataset": "d",
        "backbone": "b",
        "strategy": "full",
        "family": "full",
    }
    about |= {"variant": "", "objective": objective, "objective_family": objective.split("-")[0]}
    return frame.assign(**about, objective_epsilon=epsilon, seed=seed)


def rows(*logs: pd.DataFrame, threshold: float = 0.05) -> pd.DataFrame:
    return adaptation(study(threshold), pd.concat(logs)).set_index("run")


def test_the_onset_is_the_first_epoch_above_the_threshold_not_at_it() -> None:
    assert onset_epoch([1, 2, 3, 4], [0.01, 0.05, 0.06, 0.02], 0.05) == 3
    assert np.isnan(onset_epoch([1, 2], [0.01, 0.05], 0.05))


def test_the_delay_counts_from_standard_fine_tunings_onset_of_the_same_seed() -> None:
    table = rows(
        run("standard", [0.2, 0.5, 0.9, 0.9]),
        run("standard", [0.0, 0.5, 0.9, 0.9], seed=1),
        run("rft_fix-epsilon4_255", [0.01, 0.02, 0.04, 0.3]),
        run("rft_fix-epsilon4_255", [0.01, 0.02, 0.1, 0.3], seed=1),
    )
    assert table["onset"].to_dict() == {
        "standard/0": 1,
        "standard/1": 2,
        "rft_fix-epsilon4_255/0": 4,
        "rft_fix-epsilon4_255/1": 3,
    }
    assert table.loc["rft_fix-epsilon4_255/0", "delay"] == 3
    assert table.loc["rft_fix-epsilon4_255/1", "delay"] == 1
    assert table.loc["standard/0", "delay"] == 0


def test_a_run_that_never_adapts_counts_with_its_last_epoch_and_says_so() -> None:
    table = rows(run("standard", [0.2, 0.5, 0.9]), run("rft_fix-epsilon4_255", [0.01, 0.02, 0.02]))
    row = table.loc["rft_fix-epsilon4_255/0"]
    assert np.isnan(row["onset"])
    assert (row["delay"], row["reached"]) == (2, False)


def test_without_standard_fine_tuning_there_is_no_delay() -> None:
    assert rows(run("rft_fix-epsilon4_255", [0.01, 0.2]))["delay"].isna().all()


def test_without_an_onset_of_standard_fine_tuning_there_is_no_delay() -> None:
    table = rows(run("standard", [0.01, 0.02]), run("rft_fix-epsilon4_255", [0.01, 0.2]))
    assert table["delay"].isna().all()


def test_a_validation_under_another_perturbation_than_the_objectives_does_not_count() -> None:
    fixed = "rft_fix-epsilon4_255"
    log = run(fixed, [0.2, 0.3, 0.5], robust=[0.1, NAN, 0.05], attacked_at=8 / 255)
    columns = ["best_epoch", "best_validation", "last_validation"]
    assert rows(log).loc[f"{fixed}/0", columns].tolist() == [3, 0.5, 0.5]
    kept = validations(study(), log)
    assert kept["validation_robust_accuracy"].isna().all()
    assert kept["validation_accuracy"].notna().sum() == 3
    here = validations(study(), run(fixed, [0.2, 0.3], robust=[0.1, 0.05]))
    assert here["validation_robust_accuracy"].dropna().tolist() == [0.1, 0.05]


def test_the_best_epoch_goes_by_robust_accuracy_where_it_was_measured() -> None:
    table = rows(
        run("standard", [0.2, 0.9, 0.8]),
        run("rft_fix-epsilon4_255", [0.2, 0.3, 0.5], robust=[0.1, NAN, 0.05]),
    )
    assert table[["best_epoch", "best_validation", "last_validation"]].loc["standard/0"].tolist() == [
        2,
        0.9,
        0.8,
    ]
    robust = table[["best_epoch", "best_validation", "last_validation"]].loc["rft_fix-epsilon4_255/0"]
    assert robust.tolist() == [1, 0.1, 0.05]


def finals() -> pd.DataFrame:
    logs = [
        ("standard", 0, 0.9),
        ("standard", 1, 0.8),
        ("rft_fix-epsilon4_255", 0, 0.3),
        ("rft_fix-epsilon4_255", 1, 0.6),
    ]
    table = pd.DataFrame(logs, columns=["objective", "seed", "clean"])
    table["run"] = table["objective"] + "/" + table["seed"].astype(str)
    table["objective_family"] = table["objective"].str.split("-").str[0]
    return table.assign(dataset="d", backbone="b", strategy="full", epsilon_g=4 / 255)


def test_severity_is_how_far_clean_accuracy_ends_below_standard_fine_tunings() -> None:
    assert severity(finals()).tolist() == pytest.approx([0, 0, 0.6, 0.2])
    alone = finals().query("objective_family != 'standard'")
    assert severity(alone).isna().all()


def test_what_runs_ended_with_meets_how_they_adapted() -> None:
    adapted = adaptation(
        study(),
        pd.concat(
            [
                run("standard", [0.2, 0.9]),
                run("standard", [0.2, 0.9], 1),
                run("rft_fix-epsilon4_255", [0.0, 0.3]),
                run("rft_fix-epsilon4_255", [0.3, 0.6], 1),
            ]
        ),
    )
    table = transfer(finals(), adapted).set_index("run")
    assert table["delay"].tolist() == [0, 0, 1, 0]
    assert correlation(table["delay"], table["clean"]) == pytest.approx(
        np.corrcoef([0, 0, 1, 0], [0.9, 0.8, 0.3, 0.6])[0, 1]
    )


def test_correlation_is_exact_on_a_line_and_undefined_on_a_point() -> None:
    assert correlation([1, 2, 4, NAN], [0.9, 0.8, 0.6, 0.1]) == pytest.approx(-1)
    assert np.isnan(correlation([1, 2], [3, 4]))
    assert np.isnan(correlation([1, 1, 1], [3, 4, 5]))
