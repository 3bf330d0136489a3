"""A stale lock is removed, and no other: not a living process's, not one that is just being taken."""

import json
import os
import subprocess
import sys
import time

import pytest

from workflow_scripts import unlock as module


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """A working directory with one lock of Snakemake's."""
    monkeypatch.chdir(tmp_path)
    module.LOCKS.mkdir(parents=True)
    (module.LOCKS / "0.output.lock").write_text("x")
    return module.LOCKS


def dead_owner():
    """Record a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = module._started(process.pid)
    process.kill()
    process.wait()
    record(process.pid, started)


def record(pid, started, host=None):
    module.OWNERS.mkdir(parents=True, exist_ok=True)
    owner = {"host": host or module.socket.gethostname(), "pid": pid, "started": started}
    (module.OWNERS / f"{owner['host']}-{pid}.json").write_text(json.dumps(owner))


def test_the_lock_of_a_killed_process_is_removed(locked, capsys):
    dead_owner()
    module.unlock()
    assert list(locked.iterdir()) == []
    assert "removed a lock" in capsys.readouterr().out


def test_the_lock_of_a_living_process_stays(locked):
    module.claim()
    module.unlock()
    assert len(list(locked.iterdir())) == 1


def test_one_living_process_protects_all_locks(locked):
    dead_owner()
    module.claim()
    module.unlock()
    assert len(list(locked.iterdir())) == 1


def test_a_lock_taken_after_the_dead_owner_was_recorded_stays(locked):
    dead_owner()
    later = time.time() + 5
    os.utime(locked / "0.output.lock", (later, later))
    module.unlock()
    assert len(list(locked.iterdir())) == 1


def test_a_lock_of_another_host_or_of_nobody_known_stays(locked):
    module.unlock()
    assert len(list(locked.iterdir())) == 1
    record(1, "", host="elsewhere")
    module.unlock()
    assert len(list(locked.iterdir())) == 1


def test_a_recycled_process_number_is_not_the_owner(locked):
    record(os.getpid(), "long ago")
    module.unlock()
    assert list(locked.iterdir()) == []
