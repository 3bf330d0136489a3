"""`make figures` with stand-ins for Python and Snakemake: what it starts, in which order, and what stops it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OUTER = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
PYTHON = """#!/bin/bash
echo "$2" >> started
[[ $* != *--disk* ]] || exit "$(cat disk)"
"""
SNAKEMAKE = """#!/bin/bash
echo snakemake >> started
[[ $* == *--report* ]] && touch "$2" && exit
for _ in {1..600}; do [ -e go ] && break; sleep 0.05; done
touch finished
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the Makefile and an environment that holds the stand-ins."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for file in ("pyproject.toml", "uv.lock"):
        (tmp_path / file).touch()
    (tmp_path / "results/quickstart").mkdir(parents=True)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name, text in (("python", PYTHON), ("snakemake", SNAKEMAKE)):
        (tmp_path / ".venv/bin" / name).write_text(text)
        (tmp_path / ".venv/bin" / name).chmod(0o755)
    (tmp_path / ".venv/installed").touch()
    return tmp_path


def figures(folder: Path) -> subprocess.CompletedProcess[str]:
    # Not as a part of the `make test` that may run this: it would say which folder it enters and leaves.
    environment = {name: value for name, value in os.environ.items() if name not in OUTER}
    return subprocess.run(["make", "figures"], cwd=folder, env=environment, capture_output=True, text=True)


def test_a_disk_too_small_stops_the_run_that_started_beside_its_check(folder: Path) -> None:
    (folder / "disk").write_text("1")
    made = figures(folder)
    assert made.returncode != 0
    assert not (folder / "finished").exists()


def test_a_study_is_checked_first_and_the_report_comes_last(folder: Path) -> None:
    (folder / "disk").write_text("0")
    (folder / "go").touch()
    made = figures(folder)
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1].startswith("start here: results/quickstart/explorer.html")
    started = (folder / "started").read_text().split()
    assert started[0] == "workflow_scripts.check_study"
    assert started.count("snakemake") == 2
    assert started[-1] == "workflow_scripts.left_out"


def test_a_second_time_it_says_again_where_to_start(folder: Path) -> None:
    (folder / "disk").write_text("0")
    (folder / "go").touch()
    first, second = figures(folder), figures(folder)
    assert second.stdout.splitlines()[-1] == first.stdout.splitlines()[-1]
    assert (folder / "started").read_text().split().count("workflow_scripts.seal_report") == 1
