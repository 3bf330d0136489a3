"""Tables: what is bold, what is escaped, and that the numbers are those of the study."""

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from synthetic_results import RAMPS, ROBUST, write_study

from tradeoff import published
from tradeoff.analysis.cells import MEASURES
from tradeoff.analysis.corruption_error import mean_corruption_error_limits
from tradeoff.analysis.points import under
from tradeoff.analysis.shift import mean_over_test_sets, shifted
from tradeoff.analysis.study_file import RUN_COLUMNS
from tradeoff.artifacts import TABLES, available, unavailable
from tradeoff.artifacts.figures import objectives_on_average
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import (
    Cell,
    Table,
    accuracy,
    adaptation,
    area_differences,
    auc,
    corruption,
    flags,
    latex,
    markdown,
    objective_means,
    paired_tests,
    ranked,
    rise_and_fall,
    shift_accuracy,
    strategies,
    variant_auc,
)
from tradeoff.artifacts.text import interval, signed
from tradeoff.errors import UserError
from tradeoff.probes.results import wilson
from tradeoff.seals import write_sealed
from workflow_scripts import gather, pareto_auc, write_table


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study")
    write_study(root, strategies=("full", "lora", "ia3", "my_own"), datasets=("digits", "pacs.photo"), n=60)
    return written(root)


@pytest.fixture(scope="module")
def robust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cells of Ngnawé et al. (ICLR 2026), with ramps, under two attacks."""
    root = tmp_path_factory.mktemp("robust")
    write_study(
        root,
        strategies=("full",),
        datasets=("cars", "aircraft"),
        backbones=("swin_b",),
        objectives=("standard", "rft_fix", "rft_sched"),
        sections=ROBUST | {"rft_sched": {**ROBUST["rft_sched"], "sweep": RAMPS}},
        attacks=("pgd", "autoattack"),
        steps=(0, 64),
        shifts=(),
        corruptions=(),
        n=60,
        epochs=50,
    )
    return written(root)


def written(root: Path) -> Path:
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    pareto_auc.main(["--results", str(root), "--bootstrap", "20"])
    for name in available(Results(root).study, TABLES):
        write_table.main(["--table", name, "--results", str(root), "--output", str(root / "tables" / name)])
    return root


def rows_of(root: Path, name: str) -> list[list[str]]:
    lines = (root / "tables" / f"{name}.md").read_text().splitlines()[2:]
    return [line.strip("| ").split(" | ") for line in lines]


@pytest.mark.parametrize("study", ["root", "robust"])
def test_every_table_is_written_in_three_forms_and_again_byte_for_byte(
    study: str, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(study)
    for name in available(Results(root).study, TABLES):
        write_table.main(["--table", name, "--results", str(root), "--output", str(root / "again" / name)])
        for kind in ("csv", "md", "tex"):
            first = (root / "tables" / f"{name}.{kind}").read_bytes()
            assert first
            assert first == (root / "again" / f"{name}.{kind}").read_bytes()


def test_the_auc_table_prints_the_areas_and_marks_the_best_of_each_column(root: Path) -> None:
    areas = pd.read_csv(root / "tables" / "pareto_auc.csv")
    lines = (root / "tables" / "auc.md").read_text().splitlines()
    assert lines[2] == "| ε | Strategy | Handwritten digits | PACS, photo | Above average (%) |"
    block = areas[(areas["dataset"] == "digits") & np.isclose(areas["epsilon"], 4 / 255)]
    best = block.loc[block["auc"].idxmax()]
    printed = [line for line in lines if line.startswith("| 4/255 |")]
    assert len(printed) == 4
    marked = [line.split(" | ")[2] for line in printed if "**" in line.split(" | ")[2]]
    assert marked == [f"**{best['auc']:.3f}** [{best['low']:.3f}, {best['high']:.3f}]"]


def test_an_auc_table_too_long_for_a_page_keeps_the_headline_threat_and_the_csv_has_all(
    root: Path, robust: Path
) -> None:
    areas = pd.read_csv(robust / "tables" / "pareto_auc.csv")
    threat = Results(robust).threat
    headline = areas[(areas["probe"] == threat.probe) & np.isclose(areas["epsilon"], threat.epsilon)]
    assert len(headline) < 40 < len(areas)
    rows = rows_of(robust, "auc")[2:]
    # A dataset is a column: each of the two has half of the areas.
    assert [row[2].split()[0].strip("*<u>/") for row in rows] == [
        f"{area:.3f}" for area in headline.loc[headline["dataset"] == "cars", "auc"]
    ]
    caption = (robust / "tables" / "auc.md").read_text().splitlines()[0]
    assert "attack PGD-15, ℓ∞, ε 4/255" in caption
    assert "The other threats are in auc.csv." in caption
    assert len(pd.read_csv(robust / "tables" / "auc.csv")) == len(areas)
    assert "auc.csv" not in (root / "tables" / "auc.md").read_text()


def test_panels_are_called_after_what_tells_them_apart(root: Path, robust: Path) -> None:
    assert rows_of(root, "accuracy")[0][0] == "Dataset"
    assert rows_of(robust, "accuracy")[0][0] == "Dataset, objective"
    assert rows_of(robust, "accuracy")[2][0] == "Stanford Cars, Standard"


def test_the_table_of_variants_prints_their_areas_and_marks_the_best_of_each_strategy(tmp_path: Path) -> None:
    write_study(
        tmp_path,
        strategies=("lora", "ia3"),
        variants=dict.fromkeys(("lora", "ia3"), ("rank 4", "rank 8")),
        n=60,
        datasets=("a", "b"),
    )
    gather.main(["--study", str(tmp_path / "study.json"), "--results", str(tmp_path)])
    pareto_auc.main(["--results", str(tmp_path), "--bootstrap", "20"])
    areas = Results(tmp_path).variants
    table = variant_auc.make(Results(tmp_path))
    assert table.header == ["ε", "Strategy", "Variant", "a", "b"]
    block = [row for row in table.rows if (row[0].text, row[1].text) == ("4/255", "LoRA")]
    assert [row[2].text for row in block] == ["rank 4", "rank 8"]
    for column, dataset in ((3, "a"), (4, "b")):
        rows = areas[(areas["dataset"] == dataset) & np.isclose(areas["epsilon"], 4 / 255)]
        expected = rows.set_index("strategy").loc[["lora-rank4", "lora-rank8"], "auc"]
        assert [row[column].text for row in block] == [f"{auc:.3f}" for auc in expected]
        assert block[int(expected.to_numpy().argmax())][column].rank == 1
    assert len(table.rows) == 3 * 2 * 2


def test_the_accuracy_table_names_the_range_of_expected_robustness_or_says_there_is_none(root: Path) -> None:
    results = Results(root)
    assert "perturbation sizes from 0 to 8/255." in accuracy.make(results).caption
    results.study["params"]["tradeoff"]["expected_up_to"] = "5/255"
    assert "perturbation sizes from 0 to 4/255." in accuracy.make(results).caption
    results.study["params"]["tradeoff"]["expected_up_to"] = "0.5/255"
    table = accuracy.make(results)
    assert "Expected robustness: none" in table.caption
    assert {row[list(table.header).index("Expected robustness")].text for row in table.rows} == {"—"}


def test_the_corruption_table_divides_errors_by_those_of_full_fine_tuning(root: Path) -> None:
    data = pd.read_csv(root / "tables" / "corruption.csv").set_index(["dataset", "strategy"])
    assert (data.xs("full", level="strategy")["mce"] == 1).all()
    probes = Results(root).probes
    rows = probes[(probes["dataset"] == "digits") & (probes["severity"] > 0) & (probes["step"] == 640)]
    errors = 1 - rows.groupby(["strategy", "threat"])["accuracy"].mean().unstack()
    assert data.loc["digits", "lora"]["mce"] == pytest.approx(
        (errors.loc["lora"] / errors.loc["full"]).mean(), rel=1e-5
    )
    assert data.loc["digits", "lora"]["corrupted"] == pytest.approx(1 - errors.loc["lora"].mean(), rel=1e-5)
    clean = probes[(probes["probe"] == "pgd") & (probes["epsilon"] == 0) & (probes["step"] == 640)]
    clean = clean[(clean["dataset"] == "digits") & (clean["strategy"] == "lora")]
    assert data.loc["digits", "lora"]["accuracy"] == pytest.approx(clean["accuracy"].item(), rel=1e-5)


def test_corruption_errors_of_all_objectives_are_relative_to_standard_full_fine_tuning(
    tmp_path: Path,
) -> None:
    write_study(
        tmp_path,
        strategies=("lora", "full"),
        variants=dict.fromkeys(("lora", "full"), ("rank 4", "rank 8")),
        objectives=("rft_fix", "standard"),
        corruptions=("fog", "snow"),
        shifts=(),
        steps=(0, 64),
        n=60,
    )
    gather.main(["--study", str(tmp_path / "study.json"), "--results", str(tmp_path)])
    results = Results(tmp_path)
    table = corruption.make(results)
    # Of a sweep over full fine-tuning, its first variant.
    assert "Full rank 4 (objective standard) on the same dataset and backbone" in table.caption
    probes = results.probes
    rows = probes[(probes["severity"] > 0) & (probes["step"] == 64)]
    errors = 1 - rows.groupby(["objective", "strategy", "threat"])["accuracy"].mean().unstack()
    expected = (errors / errors.loc["standard", "full-rank4"]).mean(axis=1)
    found = table.data.set_index(["objective", "strategy"])["mce"]
    assert len(found) == len(expected) == 3 * 4
    for model, error in expected.items():
        assert found[model] == pytest.approx(error, rel=1e-9)
    assert found["standard", "full-rank4"] == 1
    assert found["rft_fix-epsilon4_255", "full-rank4"] != 1


def test_the_strategies_table_gives_counts_and_shares_of_the_runs(root: Path) -> None:
    text = (root / "tables" / "strategies.md").read_text()
    assert re.search(r"\| LoRA \| .* \| 2,000 \| 2\.00 \|", text)
    assert "my_own" in text  # without a description it still has its counts


def test_the_flags_table_says_so_when_nothing_was_raised(robust: Path) -> None:
    text = (robust / "tables" / "flags.md").read_text()
    assert text.startswith("Made-up study: no flags raised by the probes of 30 runs.\n")
    assert "| all | all | none raised |" in text
    assert (robust / "tables" / "flags.csv").read_text() == "run,probe,flag\n"


def test_flags_are_set_in_words_with_the_run_they_belong_to(root: Path) -> None:
    results = Results(root)
    results.flags = pd.DataFrame([{"run": "digits/a/b/c/seed0", "probe": "pgd", "flag": "step 3: 50% | odd"}])
    table = flags.make(results)
    assert "1 flag raised" in table.caption
    assert "| digits/a/b/c/seed0 | pgd | step 3: 50% \\| odd |" in markdown(table)
    assert r"step 3: 50\% | odd" in latex(table, "some")


def test_tables_say_how_often_shortcuts_were_wrong(root: Path) -> None:
    results = Results(root)
    assert "shortcuts" not in accuracy.make(results).caption
    attacked = results.probes["probe"] == "pgd"
    results.probes.loc[attacked, "audited"] = 10
    results.probes.loc[attacked, "disagreed"] = 0
    first = results.probes.index[attacked & (results.probes["epsilon"] > 0)][0]
    results.probes.loc[first, "disagreed"] = 3
    # 8 runs, 8 snapshots, 3 epsilons, 10 samples each; the clean rows are no verdicts of an attack.
    words = (
        "The probe pgd took shortcuts: the exact attack judged 3 of 1,920 audited verdicts otherwise (0.16%)."
    )
    for module in (accuracy, auc, flags):
        assert words in module.make(results).caption


def test_the_objectives_table_prints_what_the_probes_measured_at_each_epsilon(robust: Path) -> None:
    header, _, *rows = rows_of(robust, "objectives")
    assert header[:4] == ["Dataset", "ε_g", "Objective", "Clean"]
    assert "Adversarial, AutoAttack, ℓ∞" in header
    row = next(row for row in rows if row[:3] == ["FGVC-Aircraft", "8/255", "RFT fix"])
    probes = Results(robust).probes
    mine = probes[
        (probes["run"] == "aircraft/swin_b/full/rft_fix-epsilon8_255/seed0") & (probes["step"] == 64)
    ]
    for probe, label in (("pgd", "PGD-15, ℓ∞"), ("autoattack", "AutoAttack, ℓ∞")):
        value = mine[(mine["probe"] == probe) & np.isclose(mine["epsilon"], 8 / 255)]["accuracy"].item()
        cell = row[header.index(f"Adversarial, {label}")]
        assert re.sub("[*]|<u>|</u>", "", cell).startswith(f"{value * 100:.1f} [")
    assert re.sub("[*]|<u>|</u>", "", row[header.index("Clean, published")]) == "4.2"
    assert re.sub("[*]|<u>|</u>", "", row[header.index("Adversarial, AutoAttack, published")]) == "0.8"


def test_paired_tests_of_the_study_stand_above_those_of_the_published_numbers(robust: Path) -> None:
    header, _, *rows = rows_of(robust, "paired_tests")
    last = dict(zip(header, rows[-1], strict=True))
    assert (last["Source"], last["ε_g"], last["Measure"]) == ("Ngnawé et al., APGD-10", "8/255", "expected")
    assert (last["t"], last["Higher in"], last["Cells"]) == ("9.27", "30 of 30", "30")
    first = dict(zip(header, rows[0], strict=True))
    assert (first["Source"], first["Cells"]) == ("this study", "2")


def test_objectives_that_share_a_single_cell_are_not_tested(tmp_path: Path) -> None:
    three = ("rft_fix", "rft_uniform", "trades")
    study = write_study(
        tmp_path,
        strategies=("full", "lora"),
        objectives=three,
        sections={name: {"epsilon": "4/255"} for name in three},
        steps=(0, 64),
        shifts=(),
        corruptions=(),
        n=20,
    )
    kept = [run for run in study["runs"] if run["family"] == "full" or run["objective_family"] != "trades"]
    write_sealed(tmp_path / "study.json", study | {"runs": kept})
    gather.main(["--study", str(tmp_path / "study.json"), "--results", str(tmp_path)])
    tests = paired_tests.make(Results(tmp_path)).data
    assert set(zip(tests["first"], tests["second"], tests["n"], strict=True)) == {
        ("rft_uniform", "rft_fix", 2)
    }


def test_means_are_shown_beside_published_means_of_the_same_cells(robust: Path) -> None:
    header, _, *rows = rows_of(robust, "objective_means")
    row = next(row for row in rows if row[:3] == ["4/255", "all cells", "RFT fix"])
    published = re.sub("[*]|<u>|</u>", "", row[header.index("Clean, published")])
    assert float(published) == pytest.approx((60.2 + 7.7) / 2, abs=0.051)
    assert row[header.index("Cells")] == "2"


def test_objectives_at_different_epsilons_are_compared_where_they_meet(tmp_path: Path) -> None:
    one = {"epsilon": "4/255"}
    write_study(
        tmp_path,
        strategies=("full",),
        datasets=("a", "b"),
        objectives=("standard", "rft_fix", "trades"),
        sections=ROBUST
        | {"trades": one, "rft_fix": one | {"sweep": {"epsilon": ["2/255", "4/255", "8/255"]}}},
        steps=(0, 64),
        shifts=(),
        corruptions=(),
        n=20,
    )
    written(tmp_path)
    tests = [row[1:3] for row in rows_of(tmp_path, "paired_tests")[2:]]
    assert tests == [["4/255", "TRADES − RFT fix"]] * 3
    table = objective_means.make(Results(tmp_path))
    over_all = table.data[table.data["over"] == "all cells"]
    at = {budget: list(rows["method"]) for budget, rows in over_all.groupby("epsilon_g")}
    assert at == {4 / 255: ["standard", "rft_fix", "trades"], 8 / 255: ["standard", "rft_fix"]}
    assert "(not at ε_g = 2/255, which PGD-15, ℓ∞ leaves out)" in table.caption
    _, drawn = objectives_on_average.draw(Results(tmp_path))
    assert len(drawn) == 2 * 5


def test_ramps_meet_their_published_counterparts(robust: Path) -> None:
    header, _, *rows = rows_of(robust, "ramp_results")
    row = next(row for row in rows if row[:4] == ["Stanford Cars", "8/255", "10%", "100%"])
    assert re.sub("[*]|<u>|</u>", "", row[header.index("Clean, published")]) == "80.3"  # T1 5, T2 50 of 50
    row = next(row for row in rows if row[:4] == ["Stanford Cars", "8/255", "24%", "74%"])
    assert (
        re.sub("[*]|<u>|</u>", "", row[header.index("Clean, published")]) == "78.0"
    )  # 0.25 and 0.75: 12 and 37
    row = next(row for row in rows if row[:4] == ["FGVC-Aircraft", "8/255", "10%", "100%"])
    assert row[header.index("Clean, published")] == "—"


def test_the_adaptation_table_gives_delay_and_severity_against_standard_fine_tuning(robust: Path) -> None:
    header, _, *rows = rows_of(robust, "adaptation")
    by_name = {tuple(row[:3]): dict(zip(header, row, strict=True)) for row in rows}
    standard, fixed = (by_name["Stanford Cars", "8/255", name] for name in ("Standard", "RFT fix"))
    assert (standard["Delay"], standard["Severity"]) == ("0.0", "0.0")
    assert float(fixed["Delay"]) == pytest.approx(float(fixed["Onset"]) - float(standard["Onset"]), abs=0.11)
    ends = [float(re.sub("[*]|<u>|</u>", "", row["Clean"]).split()[0]) for row in (standard, fixed)]
    assert float(fixed["Severity"]) == pytest.approx(ends[0] - ends[1], abs=0.11)


def test_the_adaptation_table_correlates_delay_with_severity_and_with_accuracy(robust: Path) -> None:
    table = adaptation.make(Results(robust))  # of one seed, so its rows are the runs
    runs = table.data[table.data["objective_family"] != "standard"]
    for name, words in (("severity", "with severity"), ("clean", "with final clean accuracy")):
        rows = [runs[np.isclose(runs["epsilon_g"], size / 255)] for size in (4, 8)]
        four, eight = (float(np.corrcoef(row["delay"], row[name])[0, 1]) for row in rows)
        assert f"{words} {signed(four, 2)} at 4/255, {signed(eight, 2)} at 8/255" in table.caption


@pytest.mark.parametrize("study", ["root", "robust"])
def test_latex_has_as_many_cells_in_every_row_as_columns(study: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(study)
    for name in available(Results(root).study, TABLES):
        text = (root / "tables" / f"{name}.tex").read_text()
        columns = re.search(r"begin\{(?:tabular|longtable)\}\{(\w+)\}", text)
        assert columns
        rows = [
            line for line in text.splitlines() if line.endswith(r" \\") and not line.startswith(r"\caption")
        ]
        assert len(rows) > 1
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns[1])}
        assert not re.search(r"(?<!\\)[_%#]", re.sub(r"^%.*|\$[^$]*\$|\\label\{.*?\}", "", text))


def test_special_characters_are_escaped() -> None:
    table = Table("50% & more", ["a_b", "x"], [[Cell("c|d"), Cell("0.5", "[0.4, 0.6]", 1)]], pd.DataFrame())
    assert r"\caption{50\% \& more}" in latex(table, "some")
    assert r"c|d & \textbf{0.5} {\scriptsize [0.4, 0.6]} \\" in latex(table, "some")
    assert "| c\\|d | **0.5** [0.4, 0.6] |" in markdown(table)


def test_ranks_go_by_what_is_printed() -> None:
    assert ranked([0.1234, 0.1226, 0.1236, 0.5], 2) == [2, 2, 2, 1]
    assert ranked([0.2, float("nan"), 0.1], 3) == [1, 0, 2]
    assert ranked([0.3], 3) == [0]
    assert ranked([0.3, 0.3], 3) == [0, 0]


@settings(max_examples=50, deadline=None)
@given(st.floats(-200, 200), st.integers(0, 2))
def test_a_signed_number_reads_back_as_what_it_rounds_to(value: float, decimals: int) -> None:
    text = signed(value, decimals)
    assert float(text.replace("\N{MINUS SIGN}", "-")) == round(value, decimals)
    assert (text[0] in "+\N{MINUS SIGN}") == (round(value, decimals) != 0)


def test_there_is_no_interval_without_limits() -> None:
    assert interval(float("nan"), float("nan"), 3) == ""
    assert interval(0.1, 0.25, 2) == "[0.10, 0.25]"


def test_an_unknown_table_is_refused_with_those_there_are(root: Path) -> None:
    with pytest.raises(UserError, match=f"'acu'; expected one of {', '.join(TABLES)}"):
        write_table.main(["--table", "acu", "--results", str(root), "--output", str(root / "x")])


def test_a_missing_input_table_is_named(tmp_path: Path) -> None:
    write_study(tmp_path, strategies=("full",), n=20)
    with pytest.raises(UserError, match=r"pareto_auc.record.json: found no such file"):
        write_table.main(["--table", "auc", "--results", str(tmp_path), "--output", str(tmp_path / "x")])


def test_a_table_too_long_for_a_page_is_a_longtable_with_the_same_rows() -> None:
    rows = [[Cell(f"ε_g {number}"), Cell("1")] for number in range(100)]
    short, long = (latex(Table("About", ["A", "B"], rows[:n], pd.DataFrame()), "some") for n in (40, 41))
    assert r"\begin{table}" in short
    assert r"\begin{longtable}{lr}" in long
    for text, n in ((short, 40), (long, 41)):
        assert text.count(r"$\varepsilon_g$ ") == n
        assert r"\caption{About}\label{tab:some}" in text


def test_rise_and_fall_has_every_strategy_at_the_headline_threat(root: Path) -> None:
    results = Results(root)
    table = rise_and_fall.make(results)
    assert len(table.rows) == 2 * 4
    assert len(table.data) == 2 * 4 * 3  # every threat is in the CSV
    row = table.rows[1]
    first, peak, last = (float(row[column].text) for column in (2, 3, 5))
    rise, fall = (float(row[column].text.replace("\N{MINUS SIGN}", "-")) for column in (6, 7))
    assert first + rise == pytest.approx(peak, abs=0.11)
    assert peak - fall == pytest.approx(last, abs=0.11)


def test_shifted_accuracy_is_correlated_over_snapshots(root: Path) -> None:
    results = Results(root)
    row = next(row for row in shift_accuracy.make(results).rows if row[1].text == "LoRA")
    probes = results.probes[results.probes["run"] == "digits/tiny_vit/lora/standard/seed0"]

    def shares(probe: str, test_set: str, epsilon: float) -> list[float]:
        at = (probes["probe"] == probe) & (probes["test_set"] == test_set)
        return probes[at & np.isclose(probes["epsilon"], epsilon)].sort_values("step")["accuracy"].tolist()

    outside = shares("shift", "typeset_digits", 0)
    assert float(row[3].text) == pytest.approx(shares("shift", "digits", 0)[-1] * 100, abs=0.06)
    assert float(row[4].text) == pytest.approx(outside[-1] * 100, abs=0.06)
    for cell, others in ((row[5], shares("shift", "digits", 0)), (row[6], shares("pgd", "digits", 4 / 255))):
        expected = np.corrcoef(outside, others)[0, 1]
        assert float(cell.text.replace("\N{MINUS SIGN}", "-")) == pytest.approx(expected, abs=0.006)


def plain(cell: str) -> str:
    return re.sub("[*]{2}|<u>|</u>", "", cell).replace("\N{MINUS SIGN}", "-")


def test_differences_from_the_best_are_those_of_the_areas_and_marked_where_they_leave_out_0(
    root: Path,
) -> None:
    results = Results(root)
    areas = under(results.areas, results.threat).set_index(["dataset", "family"])["auc"]
    pairs = under(pd.read_csv(root / "tables" / "auc_differences.csv"), results.threat)
    header, _, *rows = rows_of(root, "area_differences")
    assert header == ["Strategy", "Handwritten digits", "PACS, photo", "Differs from"]
    marked = 0
    for row, family in zip(rows, ("full", "lora", "ia3", "my_own"), strict=True):
        for cell, dataset in zip(map(plain, row[1:3]), ("digits", "pacs.photo"), strict=True):
            best = areas[dataset].idxmax()
            if family == best:
                assert cell == f"best, {areas[dataset, best]:.3f}"
                continue
            number, low, high = (float(each) for each in re.findall(r"-?\d\.\d+", cell))
            assert number == pytest.approx(areas[dataset, family] - areas[dataset, best], abs=0.00051)
            (pair,) = (
                one
                for one in pairs[pairs["dataset"] == dataset].to_dict("records")
                if {one["family"], one["other"]} == {family, best}
            )
            sign = 1 if pair["family"] == family else -1
            assert sorted((sign * pair["low"], sign * pair["high"])) == pytest.approx(
                [low, high], abs=0.00051
            )
            assert ("*" in cell) == (pair["low"] > 0 or pair["high"] < 0)
            marked += "*" in cell
        own = pairs[(pairs[["family", "other"]] == family).any(axis=1)]
        assert row[3] == f"{(own['low'] * own['high'] > 0).sum()} of 6"
    assert marked
    caption = (root / "tables" / "area_differences.md").read_text().splitlines()[0]
    # Of four strategies there are six pairs on each of two datasets, and 5% of twelve is 0.6.
    assert f"Of all 12 pairs {(pairs['low'] * pairs['high'] > 0).sum()} differ" in caption
    assert "where 0.6 would by chance" in caption


def test_a_pair_is_the_same_whichever_of_the_two_stands_first() -> None:
    pairs = pd.DataFrame([{"family": "a", "other": "b", "difference": 0.2, "low": 0.1, "high": 0.4}])
    assert area_differences.against(pairs, "a", "b") == (0.2, 0.1, 0.4)
    assert area_differences.against(pairs, "b", "a") == (-0.2, -0.4, -0.1)


def test_one_strategy_has_nothing_to_differ_from(tmp_path: Path) -> None:
    study = write_study(tmp_path, strategies=("full",), n=20)
    assert "list several strategies" in unavailable(study, TABLES)["area_differences"]


def test_captions_say_how_many_images_and_seeds_and_what_two_seeds_tell(tmp_path: Path, root: Path) -> None:
    write_study(
        tmp_path,
        strategies=("full", "lora"),
        seeds=(0, 1),
        corruptions=("fog", "snow"),
        steps=(0, 64, 640),
        n=20,
    )
    written(tmp_path)
    for name in ("auc", "area_differences", "accuracy", "rise_and_fall", "shift_accuracy", "corruption"):
        one, two = ((each / "tables" / f"{name}.md").read_text().splitlines()[0] for each in (root, tmp_path))
        assert "n = 60 test images" in one and "one seed" in one and "with two seeds" not in one, name
        assert "n = 20 test images" in two and "2 seeds" in two, name
        assert "95%; with two seeds they just span both" in two.replace(" intervals;", ";"), name


def test_the_mean_over_shifted_test_sets_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    truths, n, times = np.array([0.3, 0.6, 0.85]), 150, 1500
    rows = []
    for time in range(times):
        for name, truth in zip(("own", "a", "b", "c"), (0.9, *truths), strict=True):
            correct = int(random.binomial(n, truth))
            low, high = wilson(correct, n)
            run = dict.fromkeys(RUN_COLUMNS, "x") | {"run": str(time), "dataset": "own"}
            about = {"probe": "shift", "step": 0, "test_set": name}
            rows.append(run | about | {"accuracy": correct / n, "low": low, "high": high})
    means = mean_over_test_sets(shifted(pd.DataFrame(rows)))
    assert (means["test_sets"] == 3).all() and len(means) == times
    covered = (means["outside_low"] <= truths.mean()) & (truths.mean() <= means["outside_high"])
    assert 0.935 < covered.mean() < 0.97  # one test set's own interval would cover less of the others' mean
    own, single = (
        means["inside_high"] - means["inside_low"],
        means["outside_high"] - means["outside_low"],
    )
    halves = np.hypot.reduce(np.sqrt(truths * (1 - truths) / n)) * 1.96 / 3
    assert (single.mean() / 2, own.mean() / 2) == pytest.approx((halves, 1.96 * np.sqrt(0.09 / n)), rel=0.05)


def test_shifted_accuracy_joins_test_sets_and_then_seeds(tmp_path: Path) -> None:
    write_study(
        tmp_path,
        strategies=("full",),
        seeds=(0, 1, 2),
        shifts=("a", "b"),
        corruptions=(),
        steps=(0, 64),
        n=50,
    )
    gather.main(["--study", str(tmp_path / "study.json"), "--results", str(tmp_path)])
    results = Results(tmp_path)
    (row,) = shift_accuracy.make(results).data.to_dict("records")
    last = results.probes[(results.probes["probe"] == "shift") & (results.probes["step"] == 64)]
    values, below = [], []
    for seed in range(3):
        sets = last[(last["seed"] == seed) & (last["test_set"] != "digits")]
        values.append(sets["accuracy"].mean())
        below.append(np.sqrt(((sets["accuracy"] - sets["low"]) ** 2).sum()) / 2)
    half = stats.sem(values) * stats.t.ppf(0.975, 2)
    assert row["outside"] == pytest.approx(np.mean(values))
    assert row["outside_low"] == pytest.approx(np.mean(values) - np.hypot(np.mean(below), half))


def test_limits_of_corruption_errors_are_fiellers_where_those_of_shares_are_symmetric() -> None:
    def rows(accuracy: float, half: float) -> pd.DataFrame:
        return pd.DataFrame([{"accuracy": accuracy, "low": accuracy - half, "high": accuracy + half}])

    for (own, h), (other, k) in itertools.product([(0.7, 0.05), (0.2, 0.1)], [(0.6, 0.04), (0.9, 0.06)]):
        e, r = 1 - own, 1 - other
        # Fieller's limits: those ratios q at which e - q r is not significant.
        expected = sorted(np.roots([r**2 - k**2, -2 * e * r, e**2 - h**2]).real)
        assert mean_corruption_error_limits(rows(own, h), rows(other, k)) == pytest.approx(expected)


def test_limits_of_corruption_errors_cover_the_truth_and_survive_models_without_errors() -> None:
    random = np.random.default_rng(1)
    own, other, n = np.array([0.7, 0.5, 0.9]), np.array([0.6, 0.55, 0.8]), 200

    def measured(accuracies: np.ndarray) -> pd.DataFrame:
        counts = [int(random.binomial(n, accuracy)) for accuracy in accuracies]
        limits = [wilson(count, n) for count in counts]
        return pd.DataFrame(limits, columns=["low", "high"]).assign(accuracy=np.array(counts) / n)

    truth = ((1 - own) / (1 - other)).mean()
    found = [mean_corruption_error_limits(measured(own), measured(other)) for _ in range(400)]
    assert np.mean([low <= truth <= high for low, high in found]) >= 0.95
    perfect = pd.DataFrame([{"accuracy": 1.0, "low": 0.98, "high": 1.0}])
    low, high = mean_corruption_error_limits(perfect, measured(other[:1]))
    assert low == 0 and 0 < high < 0.1
    assert np.isnan(mean_corruption_error_limits(measured(own[:1]), perfect)).all()


def test_the_corruption_table_has_limits_around_every_error_but_the_references(root: Path) -> None:
    data = pd.read_csv(root / "tables" / "corruption.csv").set_index("strategy")
    assert data.loc["full", ["mce_low", "mce_high"]].isna().all(axis=None)
    others = data.drop("full")
    assert (others["mce_low"] < others["mce"]).all() and (others["mce"] < others["mce_high"]).all()


def test_means_over_cells_have_students_intervals_of_two_cells_their_span(robust: Path) -> None:
    cells = pd.DataFrame(
        {"method": ["a"] * 4 + ["b"] * 2 + ["c"] + ["d"] * 3, "dataset": list("wxyzwxwxyz")}
        | {name: [0.2, 0.3, 0.5, 0.4, 0.1, 0.6, 0.3, 0.0, 0.0, 0.0] for name in MEASURES}
    )
    table = objective_means.means(cells).set_index("method")
    expected = stats.t.interval(0.95, 3, loc=0.35, scale=stats.sem([0.2, 0.3, 0.5, 0.4]))
    assert tuple(table.loc["a", ["clean_low", "clean_high"]]) == pytest.approx(expected)
    assert tuple(table.loc["b", ["clean_low", "clean_high"]]) == pytest.approx((0.1, 0.6))
    assert table.loc[["c", "d"], ["expected_low", "expected_high"]].isna().all(axis=None)
    header, _, *rows = rows_of(robust, "objective_means")
    ends = pd.read_csv(robust / "tables" / "objective_means.csv")
    row = ends[ends["over"].eq("all cells") & ends["method"].eq("rft_fix")].iloc[0]
    cell = rows[1][header.index("Clean")]
    assert plain(cell).endswith(f"[{row['clean_low'] * 100:.1f}, {row['clean_high'] * 100:.1f}]")
    assert "with two cells they just span both" in (robust / "tables" / "objective_means.md").read_text()


def test_paired_differences_have_students_interval(robust: Path) -> None:
    tests = paired_tests.make(Results(robust)).data
    table = published.main_results()
    for row in tests[tests["source"] != "this study"].to_dict("records"):
        wide = table[np.isclose(table["epsilon_g"], row["epsilon_g"])].pivot(
            index=["dataset", "backbone"], columns="method", values=row["measure"]
        )
        limits = stats.ttest_rel(wide["rft_sched"], wide["rft_fix"]).confidence_interval(0.95)
        assert (row["low"], row["high"]) == pytest.approx((limits.low, limits.high))
    header, _, *rows = rows_of(robust, "paired_tests")
    assert re.fullmatch(r"\+31.2 \[24.3, 38.1\]", rows[-1][header.index("Difference")])


def test_errata_of_the_published_numbers_stand_where_these_are_shown(
    root: Path, robust: Path, tmp_path: Path
) -> None:
    assert "in 27 of 30 cells, not in the 28 of their text" in paired_tests.make(Results(robust)).caption
    assert "Erratum" not in objective_means.make(Results(robust)).caption  # no ViT
    settings = {"objectives": ("rft_fix", "rft_sched"), "strategies": ("full",), "steps": (0, 64), "n": 10}
    five = ("aircraft", "caltech256", "cars", "cub200", "stanford_dogs")
    for number, datasets in enumerate((five, five[:3])):
        folder = tmp_path / str(number)
        write_study(
            folder,
            datasets=datasets,
            backbones=("vit_b16_augreg_in1k",),
            shifts=(),
            corruptions=(),
            **settings,
        )  # type: ignore[arg-type]
        gather.main(["--study", str(folder / "study.json"), "--results", str(folder)])
        caption = objective_means.make(Results(folder)).caption
        assert ("at 8/255 is 15.52, where their Table 10 prints 15.59" in caption) == (datasets == five)


def test_onset_and_delay_have_intervals_over_seeds_and_marks_among_robust_objectives() -> None:
    run = {"dataset": "d", "backbone": "b", "strategy": "full", "epsilon_g": 4 / 255, "n": 100}
    rows = []
    for seed, values in enumerate([(3, 0.5), (5, 0.6), (4, 0.55)]):
        for method, delay, clean in (("standard", 0, 0.9), ("rft_fix", *values), ("rft_sched", 2, 0.8)):
            family = {"objective_family": method, "method": method, "seed": seed, "delay": float(delay)}
            ends = {
                "onset": delay + 1.0,
                "reached": method != "rft_sched" or seed > 0,
                "severity": 0.9 - clean,
            }
            limits = {"clean": clean, "clean_low": clean - 0.1, "clean_high": min(clean + 0.1, 1)}
            best = dict.fromkeys(("best_epoch", "best_validation", "last_validation"), 1.0)
            rows.append(run | family | ends | limits | best)
    data = adaptation.over_runs(pd.DataFrame(rows)).set_index("method")
    expected = stats.t.interval(0.95, 2, loc=4, scale=stats.sem([3, 5, 4]))
    assert tuple(data.loc["rft_fix", ["delay_low", "delay_high"]]) == pytest.approx(expected)
    half = stats.t.ppf(0.975, 2) * stats.sem([0.5, 0.6, 0.55])
    assert data.loc["rft_fix", "clean_low"] == pytest.approx(0.55 - np.hypot(0.1, half))
    # Severities that differ by the rounding of floats agree.
    assert data.loc[["rft_sched"], ["severity_low", "severity_high"]].isna().all(axis=None)
    # Seeds that agree, and a run that never adapted, tell no interval.
    assert data.loc[["standard", "rft_sched"], ["delay_low", "onset_high"]].isna().all(axis=None)


def test_the_adaptation_table_marks_the_earliest_and_best_robust_objective(robust: Path) -> None:
    header, _, *rows = rows_of(robust, "adaptation")
    block = [row for row in rows if row[:2] == ["cars", "8/255"]]
    assert not any(set("*<") & set("".join(row[3:7])) for row in block if row[2] == "Standard")
    robust_rows = [row for row in block if row[2] != "Standard"]
    for title, sign in (("Clean", 1), ("Severity", -1)):
        column = header.index(title)
        values = [sign * float(plain(row[column]).split()[0]) for row in robust_rows]
        assert [value == max(values) for value in values] == [
            row[column].startswith("**") for row in robust_rows
        ]


def test_the_published_range_of_the_correlation_stands_beside_ours(robust: Path) -> None:
    caption = adaptation.make(Results(robust)).caption
    assert re.search(r"with final clean accuracy .* at 8/255 \(Ngnawé et al.: −0.86 to −0.98\)\.", caption)


def test_published_counts_stand_beside_ours_on_their_backbone_alone(root: Path) -> None:
    results = Results(root)
    assert "published" not in " ".join(strategies.make(results).header)
    results.study["params"]["backbones"]["tiny_vit"]["model"] = "vit_base_patch16_224.orig_in21k"
    table = strategies.make(results)
    cells = {row[0].text: row[-1].text for row in table.rows}
    assert cells["LoRA"] == "1,187,338–1,333,448"
    assert cells["my_own"] == "—"
    assert "0.07% to 3.97%" in table.caption
