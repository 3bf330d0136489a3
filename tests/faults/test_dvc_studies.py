"""The project itself through DVC: stages of two studies and of the datasets they share. With TRADEOFF_FAULTS=full."""

import os
import shutil

import pytest

from tests.workflow import ROOT, Project

pytestmark = pytest.mark.skipif(
    os.environ.get("TRADEOFF_FAULTS") != "full", reason="with TRADEOFF_FAULTS=full"
)
TARGET = "data/packed/digits@16-squash/manifest.json"


@pytest.fixture
def project(tmp_path):
    """The project under git, with stages for the default study and for `tiny`."""
    project = Project(tmp_path / "project")
    for part in (".dvc/config", ".dvc/.gitignore", ".gitignore", "uv.lock"):
        (project.folder / part).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / part, project.folder / part)
    run(project, "git", "init", "-q")
    for overlays in ([], ["studies/tiny.yaml"]):
        run(project, "python", "-m", "workflow_scripts.track", "params.yaml", *overlays)
    return project


def run(project, *command):
    result = project.run(*command)
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout + result.stderr


def test_a_dataset_that_two_studies_share_is_made_once_and_known_wherever_it_comes_from(project):
    listed = run(project, "dvc", "stage", "list", "--all")
    for stage in ("runs", "data/dvc.yaml:digits-16-squash", "studies/tiny/dvc.yaml:artifacts"):
        assert stage in listed
    run(project, "dvc", "repro", "-q", "data/dvc.yaml:digits-16-squash")
    shutil.rmtree(
        project.folder / ".snakemake"
    )  # as on another clone, with dates in an order that says nothing
    for hours, path in enumerate(sorted((project.folder / "data").rglob("*.*"))):
        os.utime(path, (1e9 + 3600 * hours,) * 2)
    assert "Nothing to be done" in run(project, "snakemake", "--dry-run", TARGET)
    assert "up to date" in run(
        project, "dvc", "status", "data/dvc.yaml:digits", "data/dvc.yaml:digits-16-squash"
    )
