"""Every artifact regenerates byte for byte: in another folder and process, with other hashes, time zone and locale."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from synthetic_results import ROBUST, write_study

from tradeoff.artifacts import FIGURES, TABLES, available
from tradeoff.artifacts.results import Results
from tradeoff.seals import read_sealed, write_sealed

ROOT = Path(__file__).parents[1]
# Locales that are everywhere.
ONE = {"PYTHONHASHSEED": "1", "LC_ALL": "C.utf8"}
OTHER = {"PYTHONHASHSEED": "77", "TZ": "Pacific/Auckland", "LC_ALL": "C", "MPLBACKEND": "pdf"}
# As the workflow's scripts do it, in one process, for each import takes seconds.
MAKE = """
import sys
from tradeoff.artifacts import FIGURES, TABLES, available
from tradeoff.files import read_json
from workflow_scripts import (draw_figure, gather, gather_tasks, pareto_auc, write_explorer, write_metrics,
    write_numbers, write_table)

root = sys.argv[1]
results = ["--results", root]
gather.main(["--study", f"{root}/study.json", *results])
gather_tasks.main(results)
pareto_auc.main([*results, "--bootstrap", "20"])
study = read_json(f"{root}/study.json")
for name in available(study, FIGURES):
    draw_figure.main(["--figure", name, *results, "--output", f"{root}/figures/{name}"])
for name in available(study, TABLES):
    write_table.main(["--table", name, *results, "--output", f"{root}/tables/{name}"])
for script in (write_metrics, write_numbers, write_explorer):
    script.main(results)
"""


def study(root: Path) -> Path:
    """The smallest study that has every figure and table."""
    schedule = {**ROBUST["rft_sched"], "sweep": {"t1": [0.1, 0.25]}}
    write_study(
        root,
        datasets=("cifar10", "letters", "kana"),
        strategies=("lora", "bitfit"),
        variants={"lora": ("rank 4", "rank 8")},
        objectives=("standard", "rft_fix", "rft_sched"),
        sections={"rft_fix": {"epsilon": "4/255"}, "rft_sched": schedule},
        corruptions=("fog", "snow"),
        steps=(0, 16, 48),
        n=30,
    )
    made = read_sealed(root / "study.json")
    made["params"] |= {"recipes": {}, "tuned": {"cifar10/tiny_vit/lora-rank4": {"learning_rate": 1e-3}}}
    write_sealed(root / "study.json", made)
    return root


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders with the same results, and artifacts that two processes made of them."""
    first = study(tmp_path_factory.mktemp("first") / "study")
    second = Path(shutil.copytree(first, tmp_path_factory.mktemp("second") / "elsewhere"))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    made = [
        subprocess.Popen([sys.executable, "-c", MAKE, str(root)], cwd=root, env=environment | own)
        for root, own in ((first, ONE), (second, OTHER))
    ]
    assert [process.wait() for process in made] == [0, 0]
    return [first, second]


def test_the_study_has_every_figure_and_table(twice: list[Path]) -> None:
    made = Results(twice[0]).study
    assert available(made, FIGURES) == list(FIGURES)
    assert available(made, TABLES) == list(TABLES)


def test_every_file_is_the_same_byte_for_byte(twice: list[Path]) -> None:
    files = [sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file()) for root in twice]
    assert files[0] == files[1]
    names = {path.as_posix() for path in files[0]}
    assert {f"figures/{name}.{kind}" for name in FIGURES for kind in ("pdf", "png", "csv")} < names
    assert {f"tables/{name}.{kind}" for name in TABLES for kind in ("md", "tex", "csv")} < names
    assert {"explorer.html", "metrics.json", "numbers.json", "numbers.tex", "tables/frontiers.csv"} < names
    different = [str(path) for path in files[0] if len({(root / path).read_bytes() for root in twice}) > 1]
    assert different == []


def test_figures_are_not_empty(twice: list[Path]) -> None:
    for name in FIGURES:
        with Image.open(twice[0] / "figures" / f"{name}.png") as picture:
            assert len(picture.convert("RGB").getcolors(10**6) or ()) > 20, name
