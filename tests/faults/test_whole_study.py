"""A whole workflow with something taken away, or with a second one beside it. Minutes: `make faults`."""

import fcntl
import os
import shutil
import subprocess

import pytest

from tests.faults.disturbed import Command, Kill, Scene
from tests.workflow import content
from tradeoff.locks import open_lock

pytestmark = pytest.mark.skipif(os.environ.get("TRADEOFF_FAULTS") != "full", reason="minutes: `make faults`")
RUNS = ["snakemake", "runs"]


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The study's run, made undisturbed."""
    scene = Scene(tmp_path_factory.mktemp("calm") / "project")
    assert Command(scene, *RUNS).wait() == 0
    return scene


@pytest.fixture
def scene(calm, tmp_path):
    """The same, the run still to be made."""
    scene = Scene(tmp_path / "project")
    for part in ("data", "results", ".snakemake"):
        shutil.copytree(calm.folder / part, scene.folder / part)
    shutil.rmtree(scene.outcome / "runs")
    return scene


def ended(scene, *more):
    """Run the workflow to its end; return its status and what it said."""
    command = Command(scene, *RUNS, *more)
    return command.wait(), command.said()


def assert_recovers(scene, calm):
    assert ended(scene)[0] == 0
    assert content(scene.outcome) == content(calm.outcome)
    assert "Nothing to be done" in ended(scene)[1]
    assert scene.processes() == []


def test_of_two_workflows_at_once_one_works_and_the_other_is_told(scene, calm):
    commands = [Command(scene, *RUNS, output=f"output{number}.txt") for number in (1, 2)]
    statuses = [command.wait() for command in commands]
    assert sorted(statuses) == [0, 1]
    told = commands[statuses.index(1)].said()
    assert "another workflow" in told or "cannot be locked" in told
    assert_recovers(scene, calm)


def test_a_job_killed_as_for_want_of_memory_is_explained(scene, calm):
    command = Command(scene, *RUNS)
    assert command.kill(Kill("job", "fine_tune", 0.0), {"fine_tune": 1.0}, lambda: None)
    assert command.wait() == 1
    lines = [line for line in command.said().splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and "memory" in lines[0] and "--cores" in lines[0]
    assert_recovers(scene, calm)


def test_a_job_that_hangs_past_its_runtime_is_ended(scene, calm):
    run = scene.outcome / "runs/digits/glyph_vit/lora/standard/seed0"
    hold = open_lock(run.with_name(f".{run.name}.lock"))
    fcntl.flock(hold, fcntl.LOCK_EX)
    status, said = ended(scene, "--default-resources", "runtime=1")
    os.close(hold)
    assert status == 1
    assert "fine_tune: not done after its runtime of 1 minutes" in said
    assert_recovers(scene, calm)


def test_a_full_disk_is_said_and_what_was_saved_is_used(scene, calm):
    runs = scene.outcome / "runs"
    runs.mkdir()
    tmpfs = ["mount", "-t", "tmpfs", "none", str(runs), "-o"]
    if os.geteuid() or subprocess.run([*tmpfs, "size=600k"]).returncode:
        pytest.skip("making a small file system needs the right to mount")
    try:
        status, said = ended(scene)
        assert status == 1
        assert "the disk is full" in said and "Traceback" not in said
        subprocess.run([*tmpfs, "remount,size=100m"], check=True)
        assert_recovers(scene, calm)
        log = scene.logs / "fine_tune/digits/glyph_vit/lora/standard/seed0.log"
        assert "continuing after step" in log.read_text()
    finally:
        subprocess.run(["umount", "--lazy", runs], check=True)
