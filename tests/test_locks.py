"""Locks on files and folders: one worker at a time, several that share, and file systems without locks."""

import errno
import fcntl
import os
from queue import Queue
from threading import Thread

import pytest

from tradeoff import locks


def test_sharing_workers_work_at_once_and_keep_a_sole_one_waiting(tmp_path, monkeypatch):
    table, said, done = tmp_path / "table", Queue(), []
    monkeypatch.setattr(locks, "print", lambda text, **_: said.put(text), raising=False)

    def alone():
        with locks.sole_worker(table):
            done.append("alone")

    with locks.sole_worker(table, shared=True), locks.sole_worker(table, shared=True):
        second = Thread(target=alone)
        second.start()
        assert said.get(timeout=60) == f"waiting for another process that works on {table}"
        assert not done
    second.join(timeout=60)
    assert done == ["alone"]


def test_what_is_locked_needs_not_exist_and_is_not_made(tmp_path):
    with locks.sole_worker(tmp_path / "new" / "run"):
        assert not (tmp_path / "new" / "run").exists()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_worked_on_with_a_warning(tmp_path, monkeypatch, capsys, code):
    def refuses(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuses)
    with locks.sole_worker(tmp_path / "run"):
        assert "knows no locks" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_can_lock_it_too(tmp_path):
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    before = os.umask(0o077)
    try:
        os.close(locks.open_lock(tmp_path / ".run.lock"))
    finally:
        os.umask(before)
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        try:
            os._exit(0 if locks.take_lock(locks.open_lock(tmp_path / ".run.lock"), fcntl.LOCK_EX) else 2)
        except OSError:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
