"""A study in a few numbers, against the tables they come from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_results import EPSILONS, write_study

from tradeoff.analysis.metrics import last_and_peak, metrics, panel_names, trajectories
from tradeoff.analysis.pareto_auc import Bootstrap
from tradeoff.analysis.pareto_auc import pareto_auc as pareto_auc_of
from tradeoff.analysis.points import points, snapshot_means
from tradeoff.analysis.study_file import StudyFile, Threat, read_study
from tradeoff.errors import UserError
from tradeoff.files import read_json
from workflow_scripts import gather, pareto_auc, write_metrics

THREAT = Threat("pgd", EPSILONS[1])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study")
    write_study(root, strategies=("full", "lora"), seeds=(0, 1), n=60)
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    pareto_auc.main(["--results", str(root), "--bootstrap", "20"])
    write_metrics.main(["--results", str(root)])
    return root


def study(root: Path, **tradeoff: object) -> StudyFile:
    """The study, with some of `tradeoff` in its params changed."""
    made = read_study(root / "study.json")
    made["params"]["tradeoff"] |= tradeoff
    return made


def probes(root: Path) -> pd.DataFrame:
    return pd.read_parquet(root / "tables" / "probes.parquet")


def test_a_point_joins_clean_and_attacked_rows_of_one_snapshot(root: Path) -> None:
    table = points(probes(root), THREAT)
    assert len(table) == 2 * 2 * 8
    one = table.iloc[5]
    rows = probes(root)[
        lambda t: (t["run"] == one["run"]) & (t["step"] == one["step"]) & (t["probe"] == "pgd")
    ]
    assert one["accuracy"] == rows.loc[rows["epsilon"] == 0, "accuracy"].item()
    assert one["robustness"] == rows.loc[np.isclose(rows["epsilon"], EPSILONS[1]), "accuracy"].item()
    assert (table["robustness"] <= table["accuracy"]).all()


def test_two_seeds_are_averaged_and_their_interval_spans_both() -> None:
    frame = pd.DataFrame(
        {
            "dataset": "d", "backbone": "b", "objective": "o", "family": "f", "strategy": "s", "variant": "",
            "step": [0, 0, 10, 10], "seed": [0, 1, 0, 1], "value": [0.2, 0.4, 0.5, 0.5],
            "low": [0.1, 0.3, 0.4, 0.4], "high": [0.3, 0.6, 0.7, 0.6],
        }
    )  # fmt: skip
    joined = snapshot_means(frame, [("value", "low", "high")])
    assert joined[["value", "low", "high", "seeds"]].to_numpy() == pytest.approx(
        np.array([[0.3, 0.2 - 0.1, 0.4 + 0.15, 2], [0.5, 0.5 - 0.1, 0.5 + 0.15, 2]])
    )


def test_last_and_peak_are_the_last_step_and_the_most_robust_one(root: Path) -> None:
    table = last_and_peak(study(root), probes(root)).set_index("strategy")
    means = points(probes(root), THREAT).groupby(["strategy", "step"])["robustness"].mean()
    for strategy in ("full", "lora"):
        row = table.loc[strategy]
        assert row["step"] == 640
        assert row["robustness"] == pytest.approx(means[strategy, 640])
        assert row["peak_robustness"] == pytest.approx(means[strategy].max())
        assert means[strategy, row["peak_step"]] == pytest.approx(means[strategy].max())


def test_expected_robustness_integrates_the_probed_epsilons(root: Path) -> None:
    row = last_and_peak(study(root), probes(root)).set_index("strategy").loc["lora"]
    last = probes(root)[lambda t: (t["strategy"] == "lora") & (t["step"] == 640) & (t["probe"] == "pgd")]
    a, b, c, d = last.groupby("epsilon")["accuracy"].mean()
    assert row["expected"] == pytest.approx(((a + b) / 2 * 1 + (b + c) / 2 * 3 + (c + d) / 2 * 4) / 8)
    short = last_and_peak(study(root, expected_up_to="4/255"), probes(root)).set_index("strategy").loc["lora"]
    assert short["expected"] == pytest.approx(((a + b) / 2 * 1 + (b + c) / 2 * 3) / 4)


def test_expected_robustness_is_null_when_no_epsilon_is_small_enough(root: Path) -> None:
    areas = pd.read_csv(root / "tables" / "pareto_auc.csv")
    numbers = metrics(study(root, expected_up_to="0.5/255"), probes(root), areas)["digits"]["lora"]
    assert numbers["expected_robustness"] is None
    assert numbers["accuracy"] > 0


def test_a_study_without_an_attack_is_told_that_it_needs_one(root: Path) -> None:
    made = study(root)
    for run in made["runs"]:
        del run["probes"]["pgd"]
    rows = probes(root).query("probe == 'shift'")
    computations: list[Callable[[], object]] = [
        lambda: metrics(made, rows, pd.DataFrame()),
        lambda: trajectories(made, rows),
        lambda: pareto_auc_of(made, root, rows, Bootstrap(0)),
    ]
    for compute in computations:
        with pytest.raises(UserError, match=r"study.probes: found no attack probe.*list an attack probe"):
            compute()


def test_metrics_json_holds_these_numbers_rounded(root: Path) -> None:
    written = read_json(root / "metrics.json")
    row = last_and_peak(study(root), probes(root)).set_index("strategy").loc["full"]
    areas = pd.read_csv(root / "tables" / "pareto_auc.csv")
    auc = areas[(areas["family"] == "full") & np.isclose(areas["epsilon"], EPSILONS[1])]["auc"].item()
    assert written["digits"]["full"] == {
        "accuracy": round(row["accuracy"], 4),
        "robust_accuracy": round(row["robustness"], 4),
        "expected_robustness": round(row["expected"], 4),
        "peak_robustness": round(row["peak_robustness"], 4),
        "peak_step": row["peak_step"],
        "auc": round(auc, 4),
    }
    assert metrics(study(root), probes(root), areas) == written


def test_trajectories_for_dvc_hold_one_row_per_strategy_and_step(root: Path) -> None:
    table = pd.read_csv(root / "tables" / "trajectories.csv")
    assert table.columns.tolist() == ["panel", "strategy", "step", "accuracy", "robustness"]
    assert len(table) == 2 * 8
    assert table.equals(trajectories(study(root), probes(root)).astype(table.dtypes))


def test_a_panel_is_named_by_its_dataset_and_by_what_tells_it_from_the_others() -> None:
    runs = [
        {"dataset": dataset, "backbone": "vit", "objective": objective}
        for dataset in ("a", "b")
        for objective in ("standard", "rft")
    ]
    study = {"runs": runs}
    assert list(panel_names(study).values()) == ["a, standard", "a, rft", "b, standard", "b, rft"]
    assert list(panel_names({"runs": runs[:1]}).values()) == ["a"]
