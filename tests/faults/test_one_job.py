"""What is taken away from one job: space, the right to write, time, memory. It says so, and goes on later."""

import fcntl
import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from tests.faults.run import EVERY, Run, results
from tradeoff.locks import open_lock

FULL = os.environ.get("TRADEOFF_FAULTS") == "full"
MEMORY = Path("/sys/fs/cgroup/memory")  # cgroups of version 1
UNIFIED = Path("/sys/fs/cgroup")  # of version 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def calm(run, tmp_path_factory):
    """The results of the run undisturbed."""
    output = tmp_path_factory.mktemp("calm")
    assert run.make(output)[0] == 0
    return results(output)


def mounted(folder, *options):
    return (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", *options, "none", folder], capture_output=True
        ).returncode
    )


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, with room for a few snapshots; the function changes its options."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mounted(folder, "-o", "size=1m"):
        pytest.skip("making a small file system needs the right to mount")
    yield folder, lambda options: mounted(folder, "-o", f"remount,{options}")
    subprocess.run(["umount", "--lazy", folder], check=True)


def assert_told(ended, *words):
    """The job ended with one line, which has these words, and no stack trace."""
    status, _, complained = ended
    assert status == 1
    lines = [line for line in complained.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and "Traceback" not in complained, complained
    for word in words:
        assert word in lines[0]


def continued_at(said):
    return int(said.partition("continuing after step ")[2].split()[0])


def test_a_run_without_space_then_rights_then_large_files_ends_like_another(run, calm, disk):
    folder, change = disk
    assert_told(run.make(folder), "the disk is full")
    assert not (folder / "run.json").exists()
    saved = len(list(folder.glob("resume-*/part-*")))
    assert saved > 0
    assert change("ro")
    assert_told(run.make(folder), "read-only")
    assert change("rw,size=100m")
    small = (20_000, 20_000)
    assert_told(run.make(folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, small)), "ulimit -f")
    status, said, _ = run.make(folder)
    assert status == 0
    assert continued_at(said) >= EVERY * (saved - 2)  # the last snapshot may lack its state
    assert results(folder) == calm


def test_a_job_that_hangs_ends_after_its_runtime_and_goes_on_later(run, calm, tmp_path):
    hold = open_lock(tmp_path.with_name(f".{tmp_path.name}.lock"))
    fcntl.flock(hold, fcntl.LOCK_EX)  # for which the job now waits for ever
    assert_told(run.make(tmp_path, TRADEOFF_RUNTIME="0.1"), "fine_tune", "runtime of 0.1 minutes")
    os.close(hold)
    assert run.make(tmp_path)[0] == 0
    assert results(tmp_path) == calm


def test_of_two_jobs_on_one_run_the_second_waits_and_has_nothing_left_to_do(run, calm, tmp_path):
    jobs = [run.start(tmp_path), run.start(tmp_path)]
    said = sorted(job.communicate(timeout=600)[0] for job in jobs)
    assert [job.returncode for job in jobs] == [0, 0]
    assert sum("finished before: nothing left to do" in words for words in said) == 1
    assert results(tmp_path) == calm


@pytest.mark.skipif(not FULL, reason="`make faults`")
def test_a_job_that_the_kernel_kills_for_want_of_memory_leaves_nothing_broken(run, calm, tmp_path):
    group, limit = _memory_group()
    try:
        limit.write_text(str(200 * 2**20))
        status, _, _ = run.make(tmp_path, lambda: (group / "cgroup.procs").write_text(str(os.getpid())))
        assert status == -signal.SIGKILL
    finally:
        group.rmdir()
    assert run.make(tmp_path)[0] == 0
    assert results(tmp_path) == calm


def _memory_group():
    """Make a control group; return its folder and the file that limits its memory."""
    for parent, name in ((MEMORY, "memory.limit_in_bytes"), (UNIFIED, "memory.max")):
        group = parent / f"tradeoff-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / name).exists():
            return group, group / name
        group.rmdir()
    pytest.skip("limiting a process's memory needs the right to make control groups")
    raise AssertionError
