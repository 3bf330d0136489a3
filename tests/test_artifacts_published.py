"""Published areas beside ours: which rows meet, ranks by hand, and what the paper says itself."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from synthetic_results import SEVEN, write_study

from tradeoff import published
from tradeoff.analysis.frontier import above_average
from tradeoff.artifacts import TABLES, available, unavailable
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import published_auc
from workflow_scripts import gather, pareto_auc

STRATEGIES = ("full", "lora", "bitfit", "dora")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A study with one of the paper's datasets and one of its own, and a strategy that the paper has not."""
    root = tmp_path_factory.mktemp("study")
    study = {"shifts": (), "corruptions": (), "steps": (0, 10, 40), "n": 80}
    write_study(root, strategies=STRATEGIES, datasets=("cifar10", "digits"), **study)
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    pareto_auc.main(["--results", str(root), "--bootstrap", "20"])
    return Results(root)


def test_rows_are_those_of_both_at_the_papers_epsilon(results: Results) -> None:
    table = published_auc.make(results)
    assert [(row[0].text, row[1].text) for row in table.rows] == [
        ("CIFAR-10", "Full"),
        ("CIFAR-10", "LoRA"),
        ("CIFAR-10", "BitFit"),
    ]
    assert np.allclose(table.data["epsilon"], 1 / 255)
    assert [row[5].text for row in table.rows] == ["0.11", "0.14", "0.21"]
    assert [row[6].text for row in table.rows] == ["3", "2", "1"]


def test_ranks_and_their_correlation_are_those_of_the_areas(results: Results) -> None:
    table = published_auc.make(results)
    areas = results.areas
    ours = [
        areas[(areas["dataset"] == "cifar10") & (areas["family"] == family)]
        .sort_values("epsilon")["auc"]
        .iloc[0]
        for family in STRATEGIES[:3]
    ]
    assert table.data["auc"].tolist() == ours
    assert table.data["rank"].tolist() == [1 + sum(other > area for other in ours) for area in ours]
    agreement = spearmanr(ours, [0.11, 0.14, 0.21]).statistic
    assert f"{abs(agreement):.2f}" in table.caption


def test_the_published_areas_give_what_the_paper_says_and_where() -> None:
    """BitFit 81.5% on CIFAR-10; the abstract's 57.5% on Caltech-256 is the Stanford Dogs column."""
    areas = published.tradeoff_areas()
    best = {}
    for dataset, block in areas.groupby("dataset"):
        block = block.set_index("family").loc[list(SEVEN)]
        best[dataset] = max(zip(above_average(block["auc"].to_numpy()), SEVEN, strict=True))
    assert (round(best["cifar10"][0] * 100, 1), best["cifar10"][1]) == (81.5, "bitfit")
    assert (round(best["stanford_dogs"][0] * 100, 1), best["stanford_dogs"][1]) == (57.5, "compacter")
    assert round(best["caltech256"][0] * 100, 1) == 24.0


def test_a_study_without_their_datasets_has_no_such_table(tmp_path: Path) -> None:
    study = write_study(tmp_path, strategies=("full", "lora"), n=20)
    assert "published_auc" not in available(study, TABLES)
    assert "a dataset of Li et al." in unavailable(study, TABLES)["published_auc"]


def test_marks_follow_the_ranks_of_unrounded_areas_and_ties_share(results: Results) -> None:
    again = Results(results.root)
    at = again.areas["dataset"].eq("cifar10") & np.isclose(again.areas["epsilon"], 1 / 255)
    for areas, ranks, marks in (
        ((0.50040, 0.50010, 0.30000), ("1", "2", "3"), [1, 2, 0]),  # the first two print alike
        ((0.50000, 0.50000, 0.30000), ("1.5", "1.5", "3"), [1, 1, 2]),
    ):
        for family, area in zip(STRATEGIES[:3], areas, strict=True):
            again.areas.loc[at & again.areas["family"].eq(family), "auc"] = area
        rows = published_auc.make(again).rows
        assert tuple(row[3].text for row in rows) == ranks
        assert [row[2].rank for row in rows] == marks


def test_the_erratum_stands_where_its_datasets_are_shown(results: Results) -> None:
    assert "Erratum" not in published_auc.make(results).caption  # CIFAR-10 alone
    again = Results(results.root)
    again.study["runs"] = [run | {"dataset": "caltech256"} for run in again.study["runs"]]
    again.areas["dataset"] = "caltech256"
    assert (
        "57.5% above average on Stanford Dogs, and 24.0% on Caltech-256" in published_auc.make(again).caption
    )


def test_the_published_counts_are_the_sums_of_their_parts() -> None:
    """A ViT-B/16, 768 wide, 12 blocks, with AdapterHub's pooler; a head of 769 parameters a class."""
    d, blocks, pooler = 768, 12, 768 * 769
    attention = 4 * d * (d + 1)
    mlp = 8 * d * d + 5 * d
    backbone = 3 * 256 * d + d + 197 * d + d + blocks * (attention + mlp + 4 * d) + 2 * d + pooler
    parts = {
        "full": backbone,
        "linear": 0,
        "bitfit": d + blocks * (4 * d + 5 * d + 2 * d) + d + d,
        "lora": blocks * 8 * (3 * 2 * d + 2 * 5 * d),
        "adapter": blocks * 2 * (2 * d * 96 + 96 + d),
        "compacter": 4**3 + blocks * 2 * (2 * (d + 24) + 24 + d),
        "ia3": blocks * (2 * d + 4 * d + d),
    }
    counts = published.parameter_counts()
    assert len(counts) == 7 * 3
    for row in counts.to_dict("records"):
        assert row["trainable"] == parts[row["family"]] + 769 * row["classes"]
    shares = {
        name: (parts[name] + 7690) / (backbone + parts[name] + 7690) for name in ("compacter", "adapter")
    }
    assert {name: f"{share:.2%}" for name, share in shares.items()} == {
        "compacter": "0.07%",
        "adapter": "3.97%",
    }
