"""Numbers that texts quote: those of the metrics and the areas, under names that LaTeX can look up."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from synthetic_results import write_study

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
                assert found[f"{panel}/{strategy}/{name}"]["value"] == value


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
