"""What a finished job keeps until the workflow has noted its end: taken back whole, or not at all."""

import errno
import os

import pytest

from tradeoff import attempts


@pytest.fixture
def run(tmp_path):
    """A run's folder with two results and the attempt that made them."""
    folder = tmp_path / "results" / "runs" / "a"
    parts = folder / "resume-1"
    parts.mkdir(parents=True)
    (parts / "state.pt").write_text("state")
    for name in ("snapshots.safetensors", "run.json"):
        (folder / name).write_text(name)
    attempts.keep(parts, [folder / "snapshots.safetensors", folder / "run.json"])
    return folder


def test_what_the_workflow_deleted_comes_back(run):
    (run / "snapshots.safetensors").unlink()
    (run / "run.json").unlink()
    assert attempts.take_back(run / "resume-1", run)
    assert (run / "snapshots.safetensors").read_text() == "snapshots.safetensors"
    assert (run / "run.json").read_text() == "run.json"


def test_what_the_workflow_did_not_delete_stays_as_it_is(run):
    """A job waits for the orphan of a killed workflow, and finds the orphan's results in their place."""
    before = sorted(path.name for path in run.iterdir())
    assert attempts.take_back(run / "resume-1", run)
    assert sorted(path.name for path in run.iterdir()) == before


def test_kept_results_take_no_space_and_unfinished_work_is_gone(run):
    kept = run / "resume-1" / "finished-snapshots.safetensors"
    assert kept.samefile(run / "snapshots.safetensors")
    assert not (run / "resume-1" / "state.pt").exists()


def test_damaged_results_do_not_come_back(run):
    (run / "snapshots.safetensors").write_text("damaged")  # and with it its second name
    assert not attempts.take_back(run / "resume-1", run)
    assert not (run / "resume-1").exists()


def test_nothing_comes_back_of_an_unfinished_attempt(tmp_path):
    (tmp_path / "resume-1").mkdir()
    assert not attempts.take_back(tmp_path / "resume-1", tmp_path)
    assert (tmp_path / "resume-1").exists()


def test_a_workflow_that_ends_well_forgets_finished_attempts_alone(run):
    unfinished = run / "resume-2"
    unfinished.mkdir()
    probes = run.parents[1] / "probes"
    for probe in ("pgd", "shift"):
        (probes / f"{probe}.parquet.parts-1").mkdir(parents=True)
    (probes / "pgd.parquet").write_text("table")
    attempts.forget(run.parents[1])
    assert [path.name for path in run.glob("resume-*")] == ["resume-2"]
    assert [path.name for path in probes.glob("*parts-*")] == ["shift.parquet.parts-1"]
    assert (run / "run.json").exists()


def test_without_links_nothing_is_kept(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    parts = tmp_path / "resume-1"
    parts.mkdir()
    (tmp_path / "run.json").write_text("{}")
    attempts.keep(parts, [tmp_path / "run.json"])
    assert not parts.exists()
