"""How hard a task is: measures against closed forms and brute force, and nothing stale gets into the table."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from probes_support import BACKBONE, fine_tuned
from scipy.stats import spearmanr, wasserstein_distance
from synthetic_results import write_study

from tradeoff.analysis.complexity import (
    class_means,
    earth_movers_distance,
    neighbour_accuracy,
    separability,
    similarity,
)
from tradeoff.analysis.feature_strength import averaged_accuracy, least_strength
from tradeoff.analysis.rank_correlation import rank_correlations
from tradeoff.backbones import build
from tradeoff.data.packed import PackedDataset
from tradeoff.data.splits import split_rows
from tradeoff.errors import UserError
from tradeoff.params import load_params
from tradeoff.params.yaml_files import merge
from tradeoff.plan.jobs import Jobs
from tradeoff.plan.sizes import Sizes
from tradeoff.seals import read_sealed, write_sealed
from tradeoff.status import jobs
from tradeoff.study import Study
from tradeoff.tasks import measure_task
from tradeoff.tracking import study_stages
from workflow_scripts import gather_tasks

DEFAULT = Path(__file__).parents[1] / "params.yaml"
THREE = {"datasets": ["digits", "typeset_digits", "glyphs"]}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_separability_of_four_points_is_what_arithmetic_says() -> None:
    # Squares about the class means sum to 4 with 2 degrees of freedom, about the mean to 104 with 3.
    found = separability(np.array([[0.0], [2.0], [10.0], [12.0]]), np.array([4, 4, 9, 9]))
    assert found == pytest.approx(1 - (4 / 2) / (104 / 3))


def test_separability_is_the_variance_between_classes_over_all_of_it() -> None:
    labels = np.repeat(np.arange(400), 5)
    features = math.sqrt(3) * rng(1).normal(size=(400, 6))[labels] + rng(2).normal(size=(2000, 6))
    assert separability(features, labels) == pytest.approx(3 / (3 + 1), abs=0.02)


@pytest.mark.parametrize("classes", [2, 50, 500])
def test_classes_that_do_not_differ_are_not_separable_however_many_there_are(classes: int) -> None:
    assert separability(rng().normal(size=(2000, 20)), np.arange(2000) % classes) == pytest.approx(
        0, abs=0.02
    )


def test_separability_says_nothing_of_equal_features_or_single_images() -> None:
    assert math.isnan(separability(np.ones((6, 2)), np.arange(6) % 2))
    assert math.isnan(separability(rng().normal(size=(6, 2)), np.arange(6)))


def test_the_nearest_neighbour_is_the_one_that_brute_force_finds() -> None:
    features, labels = rng().normal(size=(40, 3)) * rng(1).uniform(0.1, 9, (40, 1)), rng(2).integers(0, 4, 40)
    right = 0
    for one in range(40):
        angles = {
            other: math.acos(
                np.clip(
                    features[one]
                    @ features[other]
                    / (np.linalg.norm(features[one]) * np.linalg.norm(features[other])),
                    -1,
                    1,
                )
            )
            for other in range(40)
            if other != one
        }
        right += labels[min(angles, key=lambda other: angles[other])] == labels[one]
    assert neighbour_accuracy(features, labels) == pytest.approx(right / 40)


def test_with_equal_weights_the_distance_is_that_of_the_best_assignment() -> None:
    one, other = rng(1).normal(size=(5, 3)), rng(2).normal(size=(5, 3))
    best = min(
        np.linalg.norm(one - other[list(order)], axis=1).mean() for order in itertools.permutations(range(5))
    )
    assert earth_movers_distance((one, np.full(5, 7.0)), (other, np.ones(5))) == pytest.approx(best)


def test_on_a_line_the_distance_is_the_area_between_the_cumulative_weights() -> None:
    one, other = rng(1).normal(size=(7, 1)), rng(2).normal(size=(4, 1))
    weights, others = rng(3).uniform(1, 9, 7), rng(4).uniform(1, 9, 4)
    oracle = wasserstein_distance(one[:, 0], other[:, 0], weights, others)
    assert earth_movers_distance((one, weights), (other, others)) == pytest.approx(oracle)


def test_similarity_falls_from_one_as_the_distance_grows() -> None:
    point = (np.zeros((1, 2)), np.ones(1))
    spread = (np.array([[3.0, 4.0], [0.0, 30.0]]), np.array([30.0, 10.0]))  # 5 and 30 away
    assert similarity(spread, spread) == pytest.approx(1)
    assert similarity(point, spread) == pytest.approx(math.exp(-0.01 * (0.75 * 5 + 0.25 * 30)))


def test_rank_correlations_are_those_of_scipy_ties_included() -> None:
    table = pd.DataFrame(
        {
            "family": ["a"] * 5 + ["b"] * 2,
            "x": [1, 2, 2, 4, 5, 1, 2],
            "y": [0.3, 0.1, 0.2, 0.2, 0.0, 1, 2],
        }
    )
    found = rank_correlations(table, ["family"], ["x"], ["y"])["rho_y_x"]
    assert found[:5].to_list() == pytest.approx([spearmanr(table["x"][:5], table["y"][:5]).statistic] * 5)
    assert found[5:].isna().all()  # two points


@pytest.mark.parametrize("features", [1, 40])
def test_averaging_features_is_as_accurate_as_drawn_samples_say(features: int) -> None:
    strength, n = 1.3 / math.sqrt(features), 40_000
    labels = rng().choice([-1, 1], n)
    drawn = rng(1).normal(strength * labels[:, None], 1, (n, features)).mean(axis=1)
    share = float(np.mean(np.sign(drawn) == labels))
    assert averaged_accuracy(strength, features) == pytest.approx(share, abs=4 * math.sqrt(0.25 / n))


def test_the_least_strength_is_that_of_the_paper_and_reaches_the_accuracy() -> None:
    assert least_strength(100) == pytest.approx(2.33 / 10, abs=5e-4)
    assert least_strength(2 * 768) == pytest.approx(least_strength(768) / math.sqrt(2))
    assert averaged_accuracy(least_strength(37, 0.9), 37) == pytest.approx(0.9)


# --- a task measured


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fine_tuned(tmp_path_factory.mktemp("task"))


def settings(**changes: Any) -> dict[str, Any]:
    return {
        "dataset": "digits",
        "backbone_spec": BACKBONE,
        "upstream": "typeset_digits",
        "images": 40,
        "split": {"validation_share": 0.1, "split_seed": 0},
        "compute": {"threads": 1, "deterministic": False},
        **changes,
    }


def measured(root: Path, output: Path, spec: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in (spec["dataset"], spec["upstream"]) if name]
    measure_task(
        spec, "c0de", root / "weights.safetensors", {name: root / name for name in names}, output, "cpu"
    )
    return read_sealed(output)


def test_a_task_is_measured_on_features_of_a_balanced_sample_of_training_images(
    made: Path, tmp_path: Path
) -> None:
    about = measured(made, tmp_path / "task.json", settings(images=10_000))
    packed = PackedDataset.open(made / "digits")
    assert about["data_digests"]["digits"] == packed.digest
    assert about["classes"] == 10
    # All training images but those held out: with their labels, in their order.
    model = build(BACKBONE, 10, 0, made / "weights.safetensors")
    with torch.inference_mode():
        pixels = torch.from_numpy(np.array(packed.images)).float() / 255
        features = model.features(pixels).double().numpy()
    rows = split_rows(packed, "train", 0.1, 0)
    assert about["images"] == len(rows)
    assert about["separability"] == pytest.approx(separability(features[rows], packed.labels[rows]), abs=1e-5)
    assert about["neighbour_accuracy"] == neighbour_accuracy(features[rows], packed.labels[rows])
    assert len(class_means(features[rows], packed.labels[rows])) == 10
    assert 0 < about["similarity"] < 1


def test_a_dataset_is_as_similar_as_can_be_to_itself_and_an_unknown_one_has_no_similarity(
    made: Path, tmp_path: Path
) -> None:
    own = measured(made, tmp_path / "own.json", settings(upstream="digits"))
    assert own["images"] == 40
    assert own["similarity"] == pytest.approx(1, abs=1e-9)
    unknown = measured(made, tmp_path / "unknown.json", settings(upstream=None, images=1))
    assert unknown["similarity"] is None
    assert unknown["images"] == 20  # two of each class at least


def test_a_task_measured_again_is_the_same_byte_for_byte(made: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        measured(made, tmp_path / name, settings())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


# --- which studies have tasks


def study(**sections: Any) -> Study:
    return Study(merge([load_params([DEFAULT]), sections]))


def test_only_attacked_studies_of_three_datasets_measure_tasks() -> None:
    assert study().tasks == {}
    assert study(study={"datasets": THREE["datasets"][:2]}).tasks == {}
    assert study(study=THREE | {"probes": ["shift"]}, tradeoff={"headline": None}).tasks == {}
    assert list(study(study=THREE).tasks) == [f"{name}/glyph_vit" for name in THREE["datasets"]]


def test_settings_of_tasks_rerun_tasks_and_no_run() -> None:
    one, other = study(study=THREE), study(study=THREE, tasks={"images": 50})
    assert [run.digest for run in one.runs.values()] == [run.digest for run in other.runs.values()]
    digests = [[task["digest"] for task in made.summary()["tasks"]] for made in (one, other)]
    assert not set(digests[0]) & set(digests[1])


def test_upstream_data_come_from_pretraining_or_from_params() -> None:
    assert {spec["upstream"] for spec in study(study=THREE).tasks.values()} == {"glyphs"}
    fetched = {"glyph_vit": {"weights": {"file": str(DEFAULT)}}}
    stated = {"upstream": {"glyph_vit": "imagenette"}}
    made = study(study=THREE, backbones=fetched, tasks=stated)
    assert {spec["upstream"] for spec in made.tasks.values()} == {"imagenette"}
    assert "imagenette" in made.datasets()
    assert {spec["upstream"] for spec in study(study=THREE, backbones=fetched).tasks.values()} == {None}


@pytest.mark.parametrize(
    ("upstream", "words"),
    [
        ({"no_vit": "digits"}, "no such backbone"),
        ({"glyph_vit": "digits"}, "pre-trained here"),
        ({"vit_b16": "no_data"}, "no_data"),
    ],
)
def test_upstream_data_that_cannot_be_are_refused(upstream: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        study(tasks={"upstream": upstream})


def test_tasks_are_planned_followed_and_versioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = study(study=THREE, tasks={"images": 300})
    planned = [job for job in Jobs(one, Sizes(tmp_path / "sizes.json")).all() if job.rule == "measure_task"]
    assert [job.name for job in planned] == list(one.tasks)
    work = {job.name: sum(each.images for each in job.work) for job in planned}
    assert work["digits/glyph_vit"] == 600  # its own, and the upstream data's
    assert work["glyphs/glyph_vit"] == 300
    path = tmp_path / one.root / "tasks" / "digits" / "glyph_vit" / "task.json"
    states = {job.name: job.state for job in jobs(one, tmp_path) if job.rule == "measure_task"}
    assert states == dict.fromkeys(one.tasks, "waiting")
    write_sealed(path, {"digest": one.summary()["tasks"][0]["digest"]})
    states = {job.name: job.state for job in jobs(one, tmp_path) if job.rule == "measure_task"}
    assert states["digits/glyph_vit"] == "done"
    for made, versioned in ((one, True), (study(), False)):
        outs = study_stages(made, [])["stages"]["artifacts"]["outs"]
        assert ({f"{made.root}/tasks": {"persist": True}} in outs) == versioned


# --- gathered


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_study(
        tmp_path,
        datasets=("a", "b", "c"),
        strategies=("full",),
        n=10,
        steps=(0, 16),
        shifts=(),
        corruptions=(),
    )
    return tmp_path


def test_the_table_has_a_row_for_each_dataset_and_backbone(root: Path) -> None:
    gather_tasks.main(["--results", str(root)])
    table = pd.read_csv(root / "tables" / "tasks.csv")
    assert table["dataset"].to_list() == ["a", "b", "c"]
    assert table["classes"].to_list() == [10, 11, 12]
    assert table["separability"].to_list() == pytest.approx([0.8, 0.75, 0.7])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("digest", "0ther"),
        ("code", "0ther"),
        ("weights_sha256", "0ther"),
        ("data_digests", {"a": "0ther", "b": "0ne"}),
    ],
)
def test_a_task_that_something_else_made_is_refused(root: Path, key: str, value: Any) -> None:
    path = root / "tasks" / "b" / "tiny_vit" / "task.json"
    write_sealed(path, read_sealed(path) | {key: value})
    with pytest.raises(UserError, match=r"task b/tiny_vit: found the .* in .*task\.json"):
        gather_tasks.main(["--results", str(root)])
    assert not (root / "tables" / "tasks.csv").exists()


def test_a_damaged_task_is_refused(root: Path) -> None:
    path = root / "tasks" / "c" / "tiny_vit" / "task.json"
    path.write_text(path.read_text().replace("0.7", "0.9"))
    with pytest.raises(UserError, match="another text than was sealed"):
        gather_tasks.main(["--results", str(root)])
