"""Snakemake and DVC on one project: whoever is called, on whichever clone and commit, nothing stale is recorded.

All run with TRADEOFF_FAULTS=full; by default those in which old results could pass for new ones.
"""

import os
import signal
import subprocess
import time

import pytest

from tests.faults.small_project import SmallProject

full = pytest.mark.skipif(os.environ.get("TRADEOFF_FAULTS") != "full", reason="with TRADEOFF_FAULTS=full")


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A project whose results are recorded and committed."""
    folder = tmp_path_factory.mktemp("situations")
    project = SmallProject.make(folder / "first", remote=str(folder / "store"))
    assert project.ran() == ["a", "data", "table"]
    return project


@pytest.fixture
def project(first, tmp_path):
    return first.copied(tmp_path / "project")


@pytest.fixture(scope="module")
def pulled(first, tmp_path_factory):
    """A fresh clone after `dvc pull`."""
    return first.cloned(tmp_path_factory.mktemp("pulled") / "clone")


@pytest.fixture
def clone(pulled, tmp_path):
    return pulled.copied(tmp_path / "clone")


def begin(project, *command):
    """Start a command, and wait until one of its jobs has begun."""
    process = subprocess.Popen(
        command,
        cwd=project.folder,
        env=project.environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 200
    while not (project.folder / "ran").exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    return process


# The numbers are those of the situations that were measured before the design was made.


@full
def test_01_02_a_strategy_that_is_added_is_all_that_runs(project):
    project.edit(strategies=["a", "b"])
    project.run("dvc", "repro", "-q")
    assert project.ran() == ["b", "table"]
    assert project.settled()


@full
def test_03_what_was_finished_before_an_interruption_stays(project):
    project.edit(strategies=["a", "b"], learning_rate={"a": 2, "b": "bad"})
    project.run("dvc", "repro", "-q", fails=True)
    assert project.ran() == ["a", "b"]
    project.edit(learning_rate={"a": 2, "b": 3})
    project.run("dvc", "repro", "-q")
    assert project.ran() == ["b", "table"]
    assert project.table() == "rate 2\nrate 3\nreference 0\n"
    assert project.settled()


def test_04_08_09_a_fresh_clone_after_a_pull_has_nothing_to_do_whatever_the_dates(clone):
    """One input is larger than the megabyte up to which Snakemake compares contents by default."""
    assert clone.settled()
    clone.run("dvc", "repro", "-q")
    assert clone.ran() == []


def test_05_a_change_on_a_fresh_clone_reruns_what_depends_on_it_though_dates_are_in_order(clone):
    clone.order_dates()
    clone.edit(learning_rate={"a": 7, "b": 1})
    clone.run("dvc", "repro", "-q")
    assert clone.ran() == ["a", "table"]
    assert clone.table() == "rate 7\nreference 0\n"
    assert clone.recorded_params()["learning_rate"]["a"] == 7


@full
def test_05_without_the_records_the_old_result_would_pass_for_the_new_one(clone):
    """The corruption that the records prevent is real: this is what the two tools do by themselves."""
    clone.order_dates()
    snakefile = clone.folder / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace('recall(Path("memory").glob("*"))', "pass"))
    clone.edit(learning_rate={"a": 7, "b": 1})
    clone.run("snakemake")
    assert clone.table() == "rate 1\nreference 0\n"


def test_06_17_travelling_between_commits_brings_back_results_and_records(project):
    project.edit(learning_rate={"a": 2, "b": 1})
    project.run("dvc", "repro", "-q")
    project.commit("second")
    assert project.ran() == ["a", "table"]
    for commit, rate in (("HEAD~1", 1), ("main", 2)):
        project.run("git", "checkout", "-q", commit)
        project.run("dvc", "checkout", "-q")
        assert project.table() == f"rate {rate}\nreference 0\n"
        assert project.settled()
    project.run("git", "checkout", "-q", "HEAD~1")
    project.run("dvc", "checkout", "-q")
    project.edit(reference=5)
    project.run("dvc", "repro", "-q")
    assert project.ran() == ["table"]


@full
def test_06_results_of_another_commit_under_todays_params_are_made_again(project):
    """Runs and records are of one commit, params of another: what the records say decides."""
    project.edit(learning_rate={"a": 2, "b": 1})
    project.run("snakemake", "--quiet", "all")
    assert project.ran() == ["a", "table"]
    project.run(
        "dvc", "checkout", "-q", "--force"
    )  # back to the recorded ones; Snakemake's memory is of the new
    assert project.table() == "rate 1\nreference 0\n"
    project.run("dvc", "repro", "-q")
    assert project.ran() == ["a", "table"]
    assert project.table() == "rate 2\nreference 0\n"


@full
def test_16_a_killed_repro_is_mended_by_the_same_command(project):
    project.edit(seconds=20, learning_rate={"a": 4, "b": 1})
    process = begin(project, "dvc", "repro")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list((project.folder / ".snakemake" / "locks").iterdir())
    project.edit(seconds=0)
    project.ran()
    project.run("dvc", "repro", "-q")
    assert project.ran() == ["a", "table"]
    assert project.table() == "rate 4\nreference 0\n"
    assert project.settled()


def test_18_params_that_are_edited_while_a_stage_runs_are_not_recorded_as_what_it_ran_with(project):
    project.edit(seconds=5, learning_rate={"a": 4, "b": 1})
    process = begin(project, "dvc", "repro")
    project.edit(seconds=0, learning_rate={"a": 9, "b": 1})
    output = process.communicate()[0]
    assert process.returncode != 0
    assert "params.yaml: found an edit made while the stage ran" in output
    assert project.recorded_params()["learning_rate"]["a"] == 1
    project.ran()
    project.run("dvc", "repro", "-q")
    assert project.table() == "rate 9\nreference 0\n"
    assert project.recorded_params()["learning_rate"]["a"] == 9


@full
def test_20_after_snakemake_alone_dvc_only_records(project):
    project.edit(learning_rate={"a": 2, "b": 1})
    project.run("snakemake", "--quiet", "all")
    assert project.ran() == ["a", "table"]
    project.run("dvc", "repro", "-q")
    assert project.ran() == []
    assert project.recorded_params()["learning_rate"]["a"] == 2
    assert project.settled()


@full
def test_21_an_experiment_reruns_what_its_change_affects(project):
    project.run("dvc", "exp", "run", "-q", "-S", "reference=3")
    assert project.ran() == ["table"]
    assert project.table() == "rate 1\nreference 3\n"
    assert project.settled()


@full
def test_21_an_experiment_in_a_folder_of_its_own_does_too(project):
    """`--temp` leaves the workspace as it is: the records come with the results."""
    project.run("dvc", "exp", "run", "-q", "--temp", "--name", "apart", "-S", "reference=3")
    assert project.table() == "rate 1\nreference 0\n"
    project.run("dvc", "exp", "apply", "-q", "apart")
    assert project.table() == "rate 1\nreference 3\n"
    assert project.settled()
