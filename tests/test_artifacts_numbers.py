"""Numbers that texts quote: those of the metrics and the areas, under names that LaTeX can look up."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic_results import GRID, write_study

from tradeoff.artifacts.numbers import Number, as_latex, numbers
from tradeoff.artifacts.results import Results
from tradeoff.files import read_json
from workflow_scripts import gather, pareto_auc, write_metrics, write_numbers


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study")
    write_study(root, strategies=("full", "lora", "my_own"), datasets=("digits", "pacs.photo"), n=60)
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    pareto_auc.main(["--results", str(root), "--bootstrap", "20"])
    write_metrics.main(["--results", str(root)])
    write_numbers.main(["--results", str(root)])
    return root


def test_every_metric_has_a_name_and_its_value(root: Path) -> None:
    found = read_json(root / "numbers.json")
    for panel, strategies in read_json(root / "metrics.json").items():
        for strategy, values in strategies.items():
            for name, value in values.items():
                assert round(found[f"{panel}/{strategy}/{name}"]["value"], 4) == value


def test_a_number_is_printed_from_its_value_not_from_a_rounded_one(root: Path) -> None:
    results = Results(root)
    results.areas.loc[results.areas["family"] == "lora", "auc"] = 0.49447
    found = numbers(results)
    assert (found["digits/lora/auc"].value, found["digits/lora/auc"].text) == (0.49447, "0.494")


def test_shares_are_printed_in_percent_and_areas_as_they_are(root: Path) -> None:
    found = read_json(root / "numbers.json")
    for name, number in found.items():
        if name.endswith("accuracy"):
            assert float(number["text"]) == pytest.approx(100 * number["value"], abs=0.051)
        if name.endswith("/auc"):
            assert float(number["text"]) == pytest.approx(number["value"], abs=0.00051)


def test_the_best_strategy_has_the_largest_area(root: Path) -> None:
    areas = pd.read_csv(root / "tables" / "pareto_auc.csv")
    areas = areas[(areas["dataset"] == "pacs.photo") & areas["epsilon"].between(3.9 / 255, 4.1 / 255)]
    best = areas.loc[areas["auc"].idxmax()]
    found = numbers(Results(root))
    assert found["pacs.photo/best/strategy"].text.lower() == best["family"]
    assert found["pacs.photo/best/auc"].text == f"{best['auc']:.3f}"
    limits = found[f"pacs.photo/{best['family']}/auc_interval"].text
    assert found[f"pacs.photo/{best['family']}/auc_interval"].value == [best["low"], best["high"]]
    assert limits == f"[{best['low']:.3f}, {best['high']:.3f}]"


def test_it_is_written_the_same_again(root: Path) -> None:
    before = [(root / f"numbers.{kind}").read_bytes() for kind in ("json", "tex")]
    write_numbers.main(["--results", str(root)])
    assert [(root / f"numbers.{kind}").read_bytes() for kind in ("json", "tex")] == before


def test_latex_defines_every_name_once_and_escapes_what_is_special(root: Path) -> None:
    names = re.findall(r"\\@namedef\{tradeoff@([^}]*)\}", (root / "numbers.tex").read_text())
    assert sorted(names) == sorted(read_json(root / "numbers.json"))
    text = as_latex("mine", {"a_b/auc": Number("x", "50% & _")})
    assert r"\@namedef{tradeoff@a_b/auc}{50\% \& \_}" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex installed")
def test_latex_prints_a_number_and_stops_at_an_unknown_name(root: Path, tmp_path: Path) -> None:
    def built(name: str) -> subprocess.CompletedProcess[str]:
        document = rf"\begin{{document}}\tradeoff{{{name}}}\typeout{{>\tradeoff{{{name}}}<}}\end{{document}}"
        text = rf"\documentclass{{article}}\input{{{root}/numbers.tex}}{document}"
        (tmp_path / "text.tex").write_text(text)
        return subprocess.run(
            ["pdflatex", "-halt-on-error", "text.tex"], cwd=tmp_path, capture_output=True, text=True
        )

    number = read_json(root / "numbers.json")["digits/my_own/auc"]["text"]
    assert f">{number}<" in built("digits/my_own/auc").stdout
    assert built("digits/no_such/auc").returncode


@pytest.fixture(scope="module")
def robust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Robust objectives at two ε_g, in three cells, with a sweep and three seeds."""
    root = tmp_path_factory.mktemp("robust")
    write_study(
        root,
        strategies=("lora",),
        variants={"lora": ("rank 4", "rank 8")},
        datasets=("cars", "cub200"),
        objectives=("standard", "rft_fix", "rft_sched"),
        seeds=(0, 1, 2),
        steps=(0, 64, 640),
        epsilons=GRID,
        shifts=(),
        corruptions=(),
        n=60,
    )
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    pareto_auc.main(["--results", str(root), "--bootstrap", "20"])
    write_numbers.main(["--results", str(root)])
    return root


def limits(text: str) -> list[float]:
    return [float(number) for number in text.replace("\N{MINUS SIGN}", "-").strip("[]").split(", ")]


def test_strategies_variants_seeds_and_runs_are_counted_apart(root: Path, robust: Path) -> None:
    names = ("runs", "datasets", "strategies", "variants", "objectives", "seeds")
    assert [numbers(Results(root))[name].value for name in names] == [6, 2, 3, 3, 1, 1]
    assert [numbers(Results(robust))[name].value for name in names] == [2 * 2 * 5 * 3, 2, 1, 2, 5, 3]


def test_shares_have_the_limits_that_the_probes_gave_them(root: Path) -> None:
    found = numbers(Results(root))
    probes = pd.read_parquet(root / "tables" / "probes.parquet")
    last = probes[(probes["run"] == "digits/tiny_vit/lora/standard/seed0") & (probes["probe"] == "pgd")]
    last = last[last["step"] == last["step"].max()]
    for name, epsilon in (("accuracy", 0), ("robust_accuracy", 4)):
        row = last[last["epsilon"].mul(255).round() == epsilon].iloc[0]
        text = found[f"digits/lora/{name}_interval"].text
        assert limits(text) == pytest.approx([row["low"] * 100, row["high"] * 100], abs=0.051)
    assert found["digits/lora/test_images"].value == 60


def test_rise_and_fall_are_those_of_the_courses(root: Path) -> None:
    found = numbers(Results(root))
    courses = pd.read_csv(root / "tables" / "courses.csv")
    at = courses["dataset"].eq("digits") & courses["strategy"].eq("lora")
    (row,) = courses[at & courses["epsilon"].between(3.9 / 255, 4.1 / 255)].to_dict("records")
    for name in ("rise", "fall", "gain"):
        assert found[f"digits/lora/{name}"].value == row[name]
        text = found[f"digits/lora/{name}_interval"].text
        assert limits(text) == pytest.approx([row[f"{name}_low"] * 100, row[f"{name}_high"] * 100], abs=0.051)
    assert found["digits/lora/course_peak"].value == row["peak"]
    assert found["digits/lora/first_robust_accuracy"].value == row["first"]


def test_what_has_no_interval_has_none_among_the_numbers(root: Path) -> None:
    results = Results(root)
    results.courses.loc[results.courses["strategy"] == "lora", ["fall", "fall_low", "fall_high"]] = (
        0,
        np.nan,
        np.nan,
    )
    found = numbers(results)
    assert found["digits/lora/fall"] == Number(0.0, "0.0")
    assert found["digits/lora/fall_interval"] == Number(None, "")
    assert found["threat"].value == "pgd, ε = 4/255"


def test_pairs_that_differ_are_counted_over_all_panels_and_in_each(root: Path) -> None:
    found = numbers(Results(root))
    pairs = pd.read_csv(root / "tables" / "auc_differences.csv")
    pairs = pairs[pairs["epsilon"].between(3.9 / 255, 4.1 / 255)]
    differ = pairs["low"] * pairs["high"] > 0
    assert (found["pairs"].value, found["pairs_that_differ"].value) == (6, differ.sum())
    assert found["pairs_by_chance"].value == pytest.approx(0.3)
    assert found["digits/pairs_that_differ"].value == differ[pairs["dataset"] == "digits"].sum()
    areas = [found[f"digits/{name}/auc"].value for name in ("full", "lora", "my_own")]
    behind = [found.get(f"digits/{name}/auc_minus_best") for name in ("full", "lora", "my_own")]
    for area, number in zip(areas, behind, strict=True):
        assert (number is None) == (area == max(areas))
        assert number is None or number.value == pytest.approx(area - max(areas), abs=2e-4)


def test_objectives_are_judged_at_each_epsilon_and_standard_at_all(robust: Path) -> None:
    found = numbers(Results(robust))
    probes = pd.read_parquet(robust / "tables" / "probes.parquet")
    for objective, sizes in (("standard", (4, 8)), ("rft_fix-epsilon8_255", (8,))):
        rows = probes[(probes["dataset"] == "cars") & (probes["strategy"] == "lora-rank8")]
        rows = rows[(rows["objective"] == objective) & (rows["step"] == 640)]
        curve = rows.assign(k=rows["epsilon"].mul(255).round()).groupby("k")["accuracy"].mean()
        place = f"cars, {objective}/lora-rank8"
        assert found[f"{place}/clean"].value == pytest.approx(curve[0])
        for size in sizes:
            assert found[f"{place}/adversarial_{size}_255"].value == pytest.approx(curve[size])
            mean = np.trapezoid(curve[: size + 1], dx=1) / size
            assert found[f"{place}/expected_{size}_255"].value == pytest.approx(mean)
            low, high = limits(found[f"{place}/expected_{size}_255_interval"].text)
            assert low < mean * 100 < high
    assert "cars, rft_fix-epsilon8_255/lora-rank8/adversarial_4_255" not in found


def test_paired_tests_and_means_are_those_over_the_cells(robust: Path) -> None:
    found = numbers(Results(robust))
    cells = [
        f"{data}, {{}}-epsilon4_255/lora-rank{rank}/clean" for data in ("cars", "cub200") for rank in (4, 8)
    ]
    first, second = (
        [found[cell.format(method)].value for cell in cells] for method in ("rft_sched", "rft_fix")
    )
    test = stats.ttest_rel(first, second)
    place = "tests/4_255/rft_sched-rft_fix/clean"
    assert found[f"{place}/t"].value == pytest.approx(test.statistic)
    assert found[f"{place}/p"].value == pytest.approx(test.pvalue)
    expected = [limit * 100 for limit in test.confidence_interval()]
    assert limits(found[f"{place}/difference_interval"].text) == pytest.approx(expected, abs=0.051)
    assert (found[f"{place}/cells"].value, found[f"{place}/wins"].value) == (4, 4)
    assert found["means/4_255/rft_sched/clean"].value == pytest.approx(np.mean(first))
    assert found["means/4_255/rft_sched/cells"].value == 4
    expected = stats.t.interval(0.95, 3, loc=np.mean(first) * 100, scale=stats.sem(first) * 100)
    text = found["means/4_255/rft_sched/clean_interval"].text
    assert limits(text) == pytest.approx(expected, abs=0.051)


def test_onset_and_delay_are_read_off_the_logs(robust: Path) -> None:
    found = numbers(Results(robust))
    training = pd.read_parquet(robust / "tables" / "training.parquet")
    above = training[training["validation_accuracy"] > 0.05]
    above = above[(above["dataset"] == "cars") & (above["strategy"] == "lora-rank4")]
    onsets = above.groupby(["objective", "seed"])["epoch"].min()
    place = "cars, rft_fix-epsilon8_255/lora-rank4"
    assert found[f"{place}/onset"].value == pytest.approx(onsets["rft_fix-epsilon8_255"].mean())
    late = onsets["rft_fix-epsilon8_255"] - onsets["standard"]
    assert found[f"{place}/delay"].value == pytest.approx(late.mean())
    assert found[f"{place}/adapted"].value == 3
    ends = [found[f"cars, {name}/lora-rank4/clean"].value for name in ("standard", "rft_fix-epsilon8_255")]
    assert found[f"{place}/severity"].value == pytest.approx(ends[0] - ends[1])
    assert "cars, standard/lora-rank4/delay" not in found  # 0 by definition


# What stands in backticks beside the names of numbers: files, tables, and parts of a panel's name.
NOT_NAMES = {"numbers", "metrics", "json", "adaptation", "rise_and_fall", "_interval", "low", "high"}
NOT_NAMES |= {"cars", "swin_b", "epsilon4_255"}


def test_the_page_names_every_kind_of_number_and_no_other(root: Path, robust: Path) -> None:
    page = (Path(__file__).parents[1] / "docs/how-to/write-a-paper.md").read_text()
    table = page[page.index("### Names of numbers") :]
    named = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`([^`]*)`", table))))
    found = {name.removesuffix("_interval") for each in (root, robust) for name in numbers(Results(each))}
    last = {re.sub(r"_[48]_255$", "_4_255", name.split("/")[-1]) for name in found}
    assert last <= named
    others = {word for name in found for word in re.findall(r"[a-z_0-9]+", name)} | NOT_NAMES
    assert named - others == set()
    assert {"pairs_by_chance", "auc_minus_best", "p_of_w", "severity", "adapted"} <= last


def test_every_file_that_the_numbers_are_of_is_recorded(robust: Path) -> None:
    read = {Path(name).name for name in read_json(robust / "numbers.record.json")["from"]}
    assert {"courses.csv", "auc_differences.csv", "training.parquet", "pareto_auc.csv"} <= read
