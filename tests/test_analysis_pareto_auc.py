"""The table of areas, against explicit loops over samples, and its refusals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from synthetic_results import EPSILONS, seal_run, write_study

from tradeoff.analysis.frontier import tradeoff_auc
from tradeoff.analysis.gather import gather, write_gathered
from tradeoff.analysis.intervals import resamples
from tradeoff.analysis.pareto_auc import Bootstrap, Tradeoffs, pareto_auc
from tradeoff.artifacts.results import Results
from tradeoff.errors import UserError
from tradeoff.seals import read_sealed

FAST = Bootstrap(replicates=60, seed=1)


def compute(root: Path, bootstrap: Bootstrap = FAST) -> Tradeoffs:
    results = Results(root)
    write_gathered(gather(results.study, root), root / "tables", "c0de")
    return pareto_auc(results.study, root, results.probes, bootstrap)


def outcome_points(root: Path, run: str, index: int, drawn: np.ndarray) -> list[tuple[float, float]]:
    """Accuracy and robustness of every snapshot on the samples drawn, counted one by one."""
    failure = load_file(root / "probes" / run / "pgd.outcomes.safetensors")["first_failure"]
    return [
        (
            sum(int(row[sample]) != 0 for sample in drawn) / len(drawn),
            sum(int(row[sample]) > index for sample in drawn) / len(drawn),
        )
        for row in failure
    ]


def test_areas_and_intervals_equal_explicit_resampling(tmp_path: Path) -> None:
    write_study(tmp_path, strategies=("full", "lora"), n=50)
    tables = compute(tmp_path)
    drawn = [np.repeat(np.arange(50), row.astype(int)) for row in resamples(50, 60, seed=1)]
    replicates = {}
    for family in ("full", "lora"):
        run = f"digits/tiny_vit/{family}/standard/seed0"
        at = tables.areas[(tables.areas["family"] == family) & (tables.areas["epsilon"] == EPSILONS[1])].iloc[
            0
        ]
        assert at["auc"] == pytest.approx(
            float(tradeoff_auc(outcome_points(tmp_path, run, 2, np.arange(50))))
        )
        replicates[family] = np.array([tradeoff_auc(outcome_points(tmp_path, run, 2, d)) for d in drawn])
        assert [at["low"], at["high"]] == pytest.approx(
            np.quantile(replicates[family], [0.025, 0.975]).tolist()
        )
    difference = tables.differences[tables.differences["epsilon"] == EPSILONS[1]].iloc[0]
    assert (difference["family"], difference["other"]) == ("full", "lora")
    paired = np.quantile(replicates["full"] - replicates["lora"], [0.025, 0.975])
    assert [difference["low"], difference["high"]] == pytest.approx(paired.tolist())
    above = replicates["full"] / (replicates["full"] + replicates["lora"]) * 2 - 1
    first = tables.areas[(tables.areas["family"] == "full") & (tables.areas["epsilon"] == EPSILONS[1])].iloc[
        0
    ]
    relative = np.quantile(above, [0.025, 0.975]).tolist()
    assert [first["above_average_low"], first["above_average_high"]] == pytest.approx(relative)


def test_every_panel_and_epsilon_has_every_family_once(tmp_path: Path) -> None:
    write_study(
        tmp_path, strategies=("full", "lora"), datasets=("a", "b"), objectives=("standard", "rft"), n=30
    )
    tables = compute(tmp_path)
    keys = ["dataset", "objective", "epsilon", "family"]
    assert len(tables.areas) == len(tables.areas[keys].drop_duplicates()) == 2 * 2 * 3 * 2
    means = tables.areas.groupby(keys[:3])["above_average"].mean().dropna()
    assert np.allclose(means, 0)
    assert len(tables.differences) == 2 * 2 * 3


def test_variants_join_one_frontier_and_seeds_are_averaged(tmp_path: Path) -> None:
    write_study(
        tmp_path, strategies=("lora",), variants={"lora": ("rank 4", "rank 8")}, seeds=(0, 1, 2), n=60
    )
    tables = compute(tmp_path)
    row = tables.areas[tables.areas["epsilon"] == EPSILONS[0]].iloc[0]
    everything = np.arange(60)
    per_seed = []
    for seed in (0, 1, 2):
        runs = [f"digits/tiny_vit/lora-rank{rank}/standard/seed{seed}" for rank in (4, 8)]
        per_seed.append(
            tradeoff_auc([point for run in runs for point in outcome_points(tmp_path, run, 1, everything)])
        )
    assert row["auc"] == pytest.approx(np.mean(per_seed))
    assert (row["seeds"], row["snapshots"], row["samples"]) == (3, 48, 60)
    half = 4.303 * np.std(per_seed, ddof=1) / np.sqrt(3)
    assert row["high"] - row["auc"] >= half - 1e-4 or row["high"] == 1


def test_variants_apart_have_the_areas_of_their_own_frontiers(tmp_path: Path) -> None:
    names = ("rank 4", "rank 8")
    write_study(
        tmp_path, strategies=("lora", "ia3"), variants={"lora": names, "ia3": names}, seeds=(0, 1), n=60
    )
    tables = compute(tmp_path)
    apart = tables.variants[np.isclose(tables.variants["epsilon"], EPSILONS[0])].set_index("strategy")
    assert list(apart.index) == ["lora-rank4", "lora-rank8", "ia3-rank4", "ia3-rank8"]
    for strategy, row in apart.iterrows():
        runs = [f"digits/tiny_vit/{strategy}/standard/seed{seed}" for seed in (0, 1)]
        own = [tradeoff_auc(outcome_points(tmp_path, run, 1, np.arange(60))) for run in runs]
        assert row["auc"] == pytest.approx(np.mean(own))
        assert (row["seeds"], row["snapshots"], row["samples"]) == (2, 16, 60)
        assert 0 <= row["low"] <= row["auc"] <= row["high"] <= 1
    joined = tables.areas[np.isclose(tables.areas["epsilon"], EPSILONS[0])].set_index("family")["auc"]
    for family, rows in apart.groupby("family"):
        assert rows["auc"].max() <= joined[family] + 1e-12
    for (_, epsilon, strategy, _), rows in tables.frontiers.groupby(["probe", "epsilon", "strategy", "seed"]):
        points = rows[["accuracy", "robustness"]].to_numpy()
        kept = points[rows["on_variant_frontier"].to_numpy()]
        assert tradeoff_auc(kept) == pytest.approx(float(tradeoff_auc(points))), (epsilon, strategy)


def test_only_families_with_several_variants_have_them_apart(tmp_path: Path) -> None:
    write_study(tmp_path, strategies=("full", "lora"), n=20)
    variants = compute(tmp_path).variants
    assert len(variants) == 0
    assert {"dataset", "epsilon", "strategy", "variant", "auc"} <= set(variants.columns)


def test_points_marked_as_frontier_enclose_the_area(tmp_path: Path) -> None:
    write_study(tmp_path, strategies=("full", "ia3"), n=80)
    tables = compute(tmp_path)
    for (epsilon, family), rows in tables.frontiers.groupby(["epsilon", "family"]):
        kept = rows.loc[rows["on_frontier"], ["accuracy", "robustness"]].to_numpy()
        at = (tables.areas["epsilon"] == epsilon) & (tables.areas["family"] == family)
        assert tradeoff_auc(kept) == pytest.approx(tables.areas.loc[at, "auc"].item())
        assert (rows["accuracy_low"] <= rows["accuracy"]).all()


def test_without_a_bootstrap_there_are_areas_and_no_intervals(tmp_path: Path) -> None:
    write_study(tmp_path, strategies=("full", "lora"), n=20)
    areas = compute(tmp_path, Bootstrap(replicates=0)).areas
    assert areas["auc"].notna().all()
    assert areas[["low", "high", "above_average_low"]].isna().all(axis=None)


def test_no_robustness_at_all_has_area_0_and_no_average_to_be_above(tmp_path: Path) -> None:
    write_study(tmp_path, strategies=("full", "lora"), n=20, epsilons=(0.5,))
    areas = compute(tmp_path).areas
    assert (areas["auc"] == 0).all()
    assert areas["above_average"].isna().all()


def seal(root: Path) -> None:
    """Make the records fit files that a test planted."""
    for run in read_sealed(root / "study.json")["runs"]:
        seal_run(root, run)


def change(root: Path, run: str, **tensors: np.ndarray) -> None:
    path = root / "probes" / run / "pgd.outcomes.safetensors"
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    save_file(load_file(path) | tensors, path, metadata)
    seal(root)


def test_outcomes_that_disagree_with_the_table_are_refused(tmp_path: Path) -> None:
    write_study(tmp_path, strategies=("full", "lora"), n=20)
    change(tmp_path, "digits/tiny_vit/lora/standard/seed0", first_failure=np.full((8, 20), 255, np.uint8))
    with pytest.raises(UserError, match=r"lora/standard/seed0/pgd.outcomes.safetensors: found other counts"):
        compute(tmp_path)


def test_runs_probed_on_different_samples_are_refused(tmp_path: Path) -> None:
    write_study(tmp_path, strategies=("full", "lora"), n=20)
    change(tmp_path, "digits/tiny_vit/lora/standard/seed0", ids=np.arange(1, 21))
    with pytest.raises(UserError, match="probes on different test samples"):
        compute(tmp_path)


def test_outcomes_cut_short_are_named(tmp_path: Path) -> None:
    write_study(tmp_path, strategies=("full",), n=20)
    results = Results(tmp_path)
    write_gathered(gather(results.study, tmp_path), tmp_path / "tables", "c0de")
    path = tmp_path / "probes" / "digits/tiny_vit/full/standard/seed0" / "pgd.outcomes.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match=r"pgd.outcomes.safetensors: found sha256 \w+; expected"):
        pareto_auc(results.study, tmp_path, results.probes, FAST)
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        pareto_auc(results.study, tmp_path, results.probes, FAST)


def test_identical_strategies_differ_by_exactly_nothing(tmp_path: Path) -> None:
    write_study(tmp_path, strategies=("full", "lora"), n=40)
    full, lora = (f"digits/tiny_vit/{family}/standard/seed0" for family in ("full", "lora"))
    for name in ("pgd.outcomes.safetensors", "pgd.parquet"):
        (tmp_path / "probes" / lora / name).write_bytes((tmp_path / "probes" / full / name).read_bytes())
    seal(tmp_path)
    results = Results(tmp_path)
    pieces = []
    for run in (full, lora):
        table = pd.read_parquet(tmp_path / "probes" / run / "pgd.parquet")
        pieces.append(table.assign(run=run))
    differences = pareto_auc(results.study, tmp_path, pd.concat(pieces), FAST).differences
    assert (differences[["difference", "low", "high"]] == 0).all(axis=None)
