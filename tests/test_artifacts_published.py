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
