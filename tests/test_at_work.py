"""A stale lock is removed, a living one never; and one workflow at a time makes a study's results."""

import os
import subprocess
import sys

import pytest

from tests.workflow import ROOT
from workflow_scripts import at_work

ENTER = "at_work.enter('small')"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with one lock of Snakemake's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(at_work, "_held", [])
    at_work.SNAKEMAKE.mkdir(parents=True)
    (at_work.SNAKEMAKE / "0.output.lock").write_text("results/x\n")
    return tmp_path


class Other:
    """Another process in the folder that does what a workflow does at its start, and then lives on."""

    def __init__(self, folder, *calls):
        code = (
            "from workflow_scripts import at_work\n"
            + "\n".join(calls)
            + "\nprint('ready', flush=True)\ninput()"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=folder,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        while self.process.stdout.readline() != "ready\n":
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()


def snakemakes_locks():
    return [path.name for path in at_work.SNAKEMAKE.glob("*")]


def test_the_lock_of_a_killed_workflow_is_removed(folder, capsys):
    (at_work.SNAKEMAKE / "0.output.lock").unlink()
    with Other(folder, ENTER) as other:
        (at_work.SNAKEMAKE / "0.output.lock").write_text("results/x\n")  # as Snakemake does now
        other.kill()
    at_work.enter("small")
    assert snakemakes_locks() == []
    assert "removed a lock" in capsys.readouterr().err


def test_the_lock_of_a_living_workflow_stays(folder):
    with Other(folder, ENTER):
        (at_work.SNAKEMAKE / "1.output.lock").write_text("results/x\n")
        at_work.enter("small")
        assert snakemakes_locks() == ["1.output.lock"]


def test_one_living_workflow_protects_all_locks(folder):
    with Other(folder, ENTER), Other(folder, ENTER) as dead:
        (at_work.SNAKEMAKE / "1.output.lock").write_text("results/x\n")
        dead.kill()
        at_work.enter("small")
        assert snakemakes_locks() == ["1.output.lock"]


def test_a_second_workflow_on_a_study_is_told_who_is_at_work(folder, capsys):
    with Other(folder, "at_work.begin('small')") as other:
        at_work.enter("small")
        assert f"at work on small: process {other.process.pid} on " in capsys.readouterr().err
        with pytest.raises(at_work.UserError) as raised:
            at_work.begin("small")
        assert f"process {other.process.pid} on " in str(raised.value)
        at_work.begin("another")  # another study is free
        other.kill()
    at_work.begin("small")


@pytest.fixture
def another_user():
    """Whoever is not root stays who they are."""
    if os.geteuid() == 0:
        os.setresuid(65534, 65534, 0)
        yield
        os.setresuid(0, 0, 0)
    else:
        yield


@pytest.mark.parametrize("place", [".snakemake", ".snakemake/locks", ".snakemake/metadata/of_a_file"])
def test_what_another_user_keeps_is_named_before_snakemake_fails_on_it(folder, place, request):
    metadata = folder / ".snakemake" / "metadata"
    metadata.mkdir()
    (metadata / "of_a_file").write_text("{}")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777)
    (folder / place).chmod(0o555)
    request.getfixturevalue("another_user")
    with pytest.raises(at_work.UserError) as raised:
        at_work.enter("small")
    assert str(raised.value).startswith(f"{folder / place}: found no permission to write")
    assert "chmod -R g+rwX" in str(raised.value)
