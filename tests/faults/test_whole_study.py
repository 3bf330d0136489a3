"""A whole workflow with something taken away, or with a second one beside it. Minutes: `make faults`."""

import fcntl
import grp
import json
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from tests.faults.disturbed import Command, Kill, Scene
from tests.workflow import content
from tradeoff.locks import open_lock

pytestmark = pytest.mark.skipif(os.environ.get("TRADEOFF_FAULTS") != "full", reason="minutes: `make faults`")
RUNS = ["snakemake", "runs"]
RUN_LOG = "fine_tune/digits/glyph_vit/lora/standard/seed0.log"
FIGURE = "results/quickstart/figures/training_curves.png"
PACKAGES = sysconfig.get_paths()["purelib"]


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The study's run, made undisturbed."""
    scene = Scene(tmp_path_factory.mktemp("calm") / "project")
    assert Command(scene, *RUNS).wait() == 0
    return scene


@pytest.fixture
def scene(calm, tmp_path):
    """The same, the run still to be made."""
    return without_run(calm, tmp_path / "project")


def without_run(calm, folder):
    scene = Scene(folder)
    for part in ("data", "results", ".snakemake"):
        shutil.copytree(calm.folder / part, scene.folder / part)
    shutil.rmtree(scene.outcome / "runs")
    return scene


@pytest.fixture
def shared(calm):
    """The same in a clone that a group shares, and a function that starts a command there as one of two users."""
    if os.geteuid():
        pytest.skip("becoming other users needs root")
    place = Path(tempfile.mkdtemp(prefix="shared-clone-"))  # pytest's own folders are closed to others
    place.chmod(0o755)
    scene = without_run(calm, place / "project")
    programs = place / "bin"
    programs.mkdir()
    (programs / "python").symlink_to(python_for_all())
    call = "import sys\nfrom snakemake.cli import main\nsys.exit(main())\n"
    (programs / "snakemake").write_text(f"#!{programs / 'python'}\n{call}")
    (programs / "snakemake").chmod(0o755)
    scene.environment["PATH"] = f"{programs}{os.pathsep}{scene.environment['PATH']}"
    scene.environment["PYTHONPATH"] += f"{os.pathsep}{PACKAGES}"
    group = grp.getgrnam("users").gr_gid
    for path in (scene.folder, *scene.folder.rglob("*")):
        os.chown(path, pwd.getpwnam("daemon").pw_uid, group)
        path.chmod(0o2775 if path.is_dir() else 0o664)

    def start(user, *command):
        home, number = place / user, pwd.getpwnam(user).pw_uid
        home.mkdir(exist_ok=True)
        os.chown(home, number, group)
        command = ["env", f"HOME={home}", f"USER={user}", f"LOGNAME={user}", *command]
        who = {"user": number, "group": group, "extra_groups": [], "umask": 0o002}
        return Command(scene, *command, output=f"{user}.txt", **who)

    yield scene, start
    shutil.rmtree(place)


def python_for_all():
    """Return a Python that users other than root may run, with the packages of this one."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}"):
        try:
            command = [python, "-c", "import snakemake, torch"]
            subprocess.run(command, cwd="/", env={"PYTHONPATH": PACKAGES}, user="nobody", check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip("there is no Python here that other users may run")


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
    assert command.kill([Kill("job", "fine_tune", 0.0)], {"fine_tune": 1.0}, lambda: None)
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
        assert "continuing after step" in (scene.logs / RUN_LOG).read_text()
    finally:
        subprocess.run(["umount", "--lazy", runs], check=True)


def test_a_second_user_of_the_clone_is_told_and_then_goes_on_with_what_the_first_left(shared, calm):
    scene, start = shared

    def try_meanwhile():
        other = start("nobody", *RUNS)
        assert other.wait() == 1
        assert "another workflow is at work on quickstart: process" in other.said()
        assert "Traceback" not in other.said()

    first = start("daemon", *RUNS)
    assert first.kill([Kill("everything", "fine_tune", 0.0, 3)], {"fine_tune": 1.0}, try_meanwhile)
    first.wait()
    second = start("nobody", *RUNS, FIGURE)
    assert second.wait() == 0, second.said()
    assert "continuing after step" in (scene.logs / RUN_LOG).read_text()
    made, expected = (place.outcome / "runs" for place in (scene, calm))
    differ = {name for name, digest in content(expected).items() if content(made)[name] != digest}
    assert len(content(made)) == len(content(expected)) and all(name.endswith("run.json") for name in differ)
    for name in differ:  # the users' Python may be another patch release, which is recorded
        records = [json.loads((place / name).read_bytes()) for place in (made, expected)]
        assert all(record.pop("seal") and record["versions"].pop("python") for record in records)
        assert records[0] == records[1]
    assert (scene.folder / FIGURE).owner() == "nobody"
    first = start("daemon", *RUNS, FIGURE)
    assert first.wait() == 0
    assert "Nothing to be done" in first.said()


def test_a_second_user_of_a_clone_that_is_not_shared_reads_one_line(shared):
    scene, start = shared
    for path in (scene.folder / ".snakemake").rglob("*"):
        path.chmod(path.stat().st_mode & ~0o022)
    second = start("nobody", *RUNS)
    assert second.wait() == 1
    lines = [line for line in second.said().splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and "no permission to write" in lines[0] and "chmod" in lines[0]
    assert "Traceback" not in second.said()
