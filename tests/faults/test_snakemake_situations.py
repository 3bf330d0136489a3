"""What Snakemake does by itself with dates, code and unfinished work, and that our rules live with it.

The numbers are those of test_dvc_situations.py, which has the situations between Snakemake and DVC. With
TRADEOFF_FAULTS=full all run; by default those in which old results could pass for new ones.
"""

import os
import re

import numpy as np
import pytest

from tests.data_support import write_raw
from tests.faults.small_project import SmallProject
from tests.workflow import Project
from tradeoff.data.decode import Form
from tradeoff.data.pack import pack

full = pytest.mark.skipif(os.environ.get("TRADEOFF_FAULTS") != "full", reason="with TRADEOFF_FAULTS=full")
STUDY = "results/tiny/study.json"


@pytest.fixture
def project(tmp_path):
    """The project, whose study `tiny` has the one result that costs nothing: what the study is."""
    project = Project(tmp_path / "project")
    assert project.snakemake("--", STUDY).returncode == 0
    return project


@pytest.fixture
def folder(tmp_path):
    """A folder for a workflow of its own."""
    return SmallProject(tmp_path)


def test_07_old_results_that_touch_blessed_are_not_recorded_as_todays(project):
    project.edit({"training": {"epochs": 5}})
    assert project.planned(STUDY) == {"study": 1}
    assert project.snakemake("--touch", STUDY).returncode == 0
    assert project.planned(STUDY) == {}  # the danger is real
    track = ["python", "-m", "workflow_scripts.track"]
    study = ["params.yaml", "studies/tiny.yaml"]
    assert project.run(*track, *study).returncode == 0
    refused = project.run(*track, "--check", "--made", *study)  # as the stage `artifacts` ends
    assert refused.returncode == 1
    assert "study.json: found other params than today's" in refused.stderr


@full
def test_10_dates_decide_nothing_and_leaving_out_their_trigger_would_not_be_enough(tmp_path):
    project = SmallProject.make(tmp_path / "project", remote=str(tmp_path / "store"))
    os.utime(project.folder / "data" / "data.bin")
    triggers = ["--rerun-triggers", "params", "code", "input", "software-env"]
    assert "Nothing to be done" in project.run("snakemake", "--dry-run")
    assert "Nothing to be done" in project.run("snakemake", "--dry-run", *triggers)
    by_default = project.run("snakemake", "--dry-run", *triggers, "--max-checksum-file-size=1MB")
    assert "Updated input files: data/data.bin" in by_default


@full
def test_11_12_a_scripts_date_reruns_nothing_and_what_it_imports_counts(project):
    for script in (project.folder / "workflow_scripts").glob("*.py"):
        os.utime(script)
    assert project.planned(STUDY) == {}
    module = project.folder / "src" / "tradeoff" / "families.py"
    module.write_text(module.read_text() + "\n# a comment\n")
    assert project.planned(STUDY) == {}
    module.write_text(module.read_text() + "NEW = 1\n")
    assert project.planned(STUDY) == {"study": 1}


@full
def test_13_nothing_that_an_edit_reruns_lies_upstream_of_runs_but_data_and_backbones(project):
    drawn = project.snakemake("--rulegraph", "dot", "runs").stdout
    rules = set(re.findall(r'label = "(\w+)"', drawn))
    assert rules == {"runs", "fine_tune", "pretrain_backbone", "pack_dataset", "fetch_dataset"}


@full
def test_14_what_a_failed_job_updated_is_lost(folder):
    """This is why the state of an unfinished run is no output."""
    (folder.folder / "Snakefile").write_text(
        'rule:\n  output: update("state.txt")\n  shell: "echo step >> {output}; cp {output} had; exit 1"\n'
    )
    (folder.folder / "state.txt").write_text("begun\n")
    folder.run("snakemake", "--cores=1", "--forceall", fails=True)
    assert (folder.folder / "had").read_text() == "begun\nstep\n"
    assert (folder.folder / "state.txt").read_text() == "begun\n"


@full
def test_15_what_a_failed_job_left_undeclared_is_there_when_it_runs_again(folder):
    (folder.folder / "Snakefile").write_text(
        'rule:\n  output: "done"\n  shell: "echo step >> state; test $(wc -l < state) -ge 2; cp state {output}"\n'
    )
    folder.run("snakemake", "--cores=1", fails=True)
    folder.run("snakemake", "--cores=1")
    assert (folder.folder / "done").read_text() == "step\nstep\n"


def test_19_a_dataset_is_as_many_files_however_many_images_it_has(tmp_path):
    names = []
    for number in (10, 300):
        images = np.random.default_rng(0).integers(256, size=(number, 6, 5, 3), dtype=np.uint8)
        raw = tmp_path / f"raw{number}"
        raw.mkdir()
        write_raw(raw, {part: (images, np.arange(number) % 3) for part in ("train", "test")}, ["a", "b", "c"])
        packed = tmp_path / f"packed{number}"
        pack(raw, packed, Form(8, "squash", "bilinear"), 1)
        names.append(sorted(path.name for path in packed.rglob("*") if path.is_file()))
    assert names[0] == names[1] == ["images.npy", "index.parquet", "manifest.json"]


@full
def test_19_a_study_is_as_many_files_however_many_snapshots_it_takes(project):
    listed = []
    for every in (12, 2):
        project.edit({"probe_schedule": [{"every": every}]})
        rows = project.snakemake("--summary").stdout.splitlines()[1:]
        listed.append(sorted(row.split("\t")[0] for row in rows))
    assert len(listed[0]) > 50
    assert listed[0] == listed[1]
