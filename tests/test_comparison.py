"""The comparison of two versions of a study says what differs, and nothing else."""

import shutil
from pathlib import Path

import pytest

from tests.synthetic_results import write_study
from tradeoff.artifacts.results import Results
from tradeoff.comparison import AREA, changed_params, comparison, values
from tradeoff.errors import UserError
from tradeoff.files import read_json
from tradeoff.seals import read_sealed, write_sealed
from workflow_scripts import compare, gather, pareto_auc, write_metrics


def results(root: Path, *, n: int) -> Path:
    write_study(root, strategies=("full", "lora"), shifts=(), corruptions=(), n=n)
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    pareto_auc.main(["--results", str(root), "--bootstrap", "20"])
    write_metrics.main(["--results", str(root)])
    for part in ("figures/frontiers.csv", "figures/frontiers.png", "tables/auc.csv", "tables/auc.md"):
        (root / part).parent.mkdir(exist_ok=True)
        (root / part).write_text(part)
    return root


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return results(tmp_path_factory.mktemp("before"), n=60)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return results(tmp_path_factory.mktemp("other"), n=90)


@pytest.fixture
def after(before: Path, tmp_path: Path) -> Path:
    shutil.copytree(before, tmp_path / "after")
    return tmp_path / "after"


def rows(page: str, title: str) -> list[list[str]]:
    """The rows of the table below a heading."""
    part = page.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_of_the_same_results_it_says_so(before: Path, after: Path) -> None:
    page = comparison(before, after, ("A", "B"))
    assert [rows(page, title) for title in ("Params", "Numbers", "Figures and tables")] == [[], [], []]
    assert "8 numbers are the same" in page  # three and an area, of two strategies
    assert "All the same, bit for bit." in page


def test_the_numbers_are_those_of_metrics_json_with_their_limits_around_them(before: Path) -> None:
    named = {"accuracy": "accuracy", "robust accuracy": "robust_accuracy", AREA: "auc"}
    named["expected robustness"] = "expected_robustness"
    metrics = read_json(before / "metrics.json")
    found = values(Results(before))
    assert len(found) == 8
    for (panel, strategy, measure), value in found.items():
        assert round(value.value, 4) == metrics[panel][strategy][named[measure]]
        assert value.low <= value.value <= value.high


def test_numbers_that_differ_stand_beside_each_other_with_their_difference(before: Path, other: Path) -> None:
    old, new = values(Results(before)), values(Results(other))
    found = rows(comparison(before, other, ("A", "B")), "Numbers")
    assert found
    for panel, strategy, measure, a, b, difference in found:
        key = (panel, strategy, measure)
        assert a == f"{100 * old[key].value:.1f} [{100 * old[key].low:.1f}, {100 * old[key].high:.1f}]"
        assert b.startswith(f"{100 * new[key].value:.1f} [")
        assert float(difference.strip("*")) == pytest.approx(
            100 * (new[key].value - old[key].value), abs=0.05
        )
        apart = old[key].high < new[key].low or new[key].high < old[key].low
        assert difference.startswith("**") == apart


def test_params_that_differ_are_named_with_both_values(before: Path, after: Path) -> None:
    study = read_sealed(after / "study.json")
    study["params"]["training"]["epochs"] = 3
    write_sealed(after / "study.json", study)
    assert rows(comparison(before, after, ("A", "B")), "Params") == [["`training.epochs`", "`16`", "`3`"]]


def test_nested_params_differ_key_by_key_and_lists_as_a_whole() -> None:
    old = {"a": {"b": 1, "c": [1, 2]}, "gone": None}
    new = {"a": {"b": 2, "c": [1, 2]}, "new": False}
    assert changed_params(old, new) == {"a.b": (1, 2), "gone": (None, "–"), "new": ("–", False)}


def test_other_data_and_other_looks_of_a_figure_are_told_apart(before: Path, after: Path) -> None:
    (after / "figures" / "frontiers.png").write_text("drawn otherwise")
    (after / "tables" / "auc.csv").write_text("other numbers")
    (after / "figures" / "shift.png").write_text("new")
    assert rows(comparison(before, after, ("A", "B")), "Figures and tables") == [
        ["figures/frontiers", "the same data, shown otherwise"],
        ["figures/shift", "new"],
        ["tables/auc", "other data"],
    ]


def test_another_headline_threat_is_pointed_out(before: Path, after: Path) -> None:
    study = read_sealed(after / "study.json")
    study["params"]["tradeoff"] = study["params"].get("tradeoff", {}) | {
        "headline": {"probe": "pgd", "epsilon": "8/255"}
    }
    write_sealed(after / "study.json", study)
    assert "Not the same threat" in comparison(before, after, ("A", "B"))


def test_a_folder_without_results_is_refused(before: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"study\.json: found no such file"):
        compare.main(["--study", "quickstart", str(before), str(tmp_path)])


def test_a_commit_that_is_none_is_refused(before: Path) -> None:
    with pytest.raises(UserError, match="no-such-commit: found no such commit or folder"):
        compare.main(["--study", "quickstart", "no-such-commit", str(before)])
