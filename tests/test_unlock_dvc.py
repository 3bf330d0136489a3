"""DVC's locks go when their owners are gone or are other programs; a living DVC keeps them."""

import json
import os
import subprocess
import sys
import time

import pytest

from workflow_scripts import unlock_dvc as module


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module.LOCKS.parent.mkdir(parents=True)
    return tmp_path


def lock(pid):
    module.LOCKS.write_text(
        json.dumps(
            {
                "read": {"/a": [{"pid": pid, "cmd": "/x/dvc repro"}]},
                "write": {"/b": {"pid": pid, "cmd": "/x/dvc repro"}},
            }
        )
    )


def test_a_lock_whose_number_another_program_has_now_is_removed(folder):
    lock(os.getpid())
    module.unlock()
    assert not module.LOCKS.exists()


def test_a_lock_of_a_living_dvc_stays(folder):
    program = folder / "dvc"
    program.write_text("import time\ntime.sleep(60)\n")
    living = subprocess.Popen([sys.executable, program])
    try:
        time.sleep(0.2)
        lock(living.pid)
        module.unlock()
        assert module.LOCKS.exists()
    finally:
        living.kill()
        living.wait()


def test_a_lock_cut_short_is_removed(folder):
    module.LOCKS.write_text('{"read": {')
    module.unlock()
    assert not module.LOCKS.exists()


RECORD = "schema: '2.0'\nstages:\n  data:\n    cmd: snakemake data\n"


@pytest.mark.parametrize("place", ["dvc.lock", "data/dvc.lock", "studies/small/dvc.lock"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema: '2.0'\n",
        "schema: '2.0'\nstages:\n  data:\n    cmd: 'snakem",
        f"{RECORD}  runs:\n",
        RECORD[:-21],
    ],
)
def test_a_lockfile_cut_short_is_removed(folder, place, text):
    file = folder / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    module.unlock()
    assert not file.exists()


def test_a_whole_lockfile_stays(folder):
    (folder / "dvc.lock").write_text(RECORD)
    module.unlock()
    assert (folder / "dvc.lock").exists()


def test_without_dvc_there_is_nothing_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module.unlock()
    assert list(tmp_path.iterdir()) == []
