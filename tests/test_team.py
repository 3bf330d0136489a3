"""A run that several processes share ends as it does in one, whatever happens meanwhile."""

import os
import signal
import time
from functools import partial
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from tests.faults.run import SPEC, Run, end, fork, results
from tests.workflow import ROOT
from tradeoff import runs, team
from tradeoff.backbones import build
from tradeoff.errors import UserError
from tradeoff.seals import read_sealed
from tradeoff.team import Team

SHARED: dict[str, Any] = SPEC | {
    "objective_spec": {"name": "rft_fix", "params": {"epsilon": 4 / 255, "steps": 2, "attack": "pgd"}},
    "training": SPEC["training"] | {"epochs": 3, "batch_size": 15, "clip_norm": 1.0, "label_smoothing": 0.1},
    "robust_validation": {
        "attack": "apgd", "steps": 2, "norm": "linf", "epsilon": 4 / 255, "limit": 10, "every": 2,
    },
}  # fmt: skip


LINEAR: dict[str, Any] = SPEC | {"strategy_spec": {"name": "linear", "params": {}}, "strategy": "linear"}


@given(st.integers(1, 6), st.lists(st.floats(-5, 5), min_size=1, max_size=40))
def test_the_mean_of_the_members_weighed_means_is_the_mean_of_the_batch(size, losses):
    shares = [Team(rank, size).share(np.array(losses)) for rank in range(size)]
    assert np.mean([weight * mine.mean() for mine, weight in shares]) == pytest.approx(np.mean(losses))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    torch.set_num_threads(1)  # forks have no other thread
    Run(place := tmp_path_factory.mktemp("run"))
    return place


def fine_tune(place, output, spec, rank=0, size=1):
    """Be one member of a team, until the end or until asked to stop."""
    if size > 1:
        os.environ[team.MEMBER] = f"{rank}/{size}/{os.getppid()}/{output}-meeting"
    runs.fine_tune(spec, "code", place / "data", place / "weights.safetensors", output, "cpu")


def members(place, output, spec, size):
    (output.parent / f"{output.name}-meeting").unlink(missing_ok=True)
    return [fork(partial(fine_tune, place, output, spec, rank, size)) for rank in range(size)]


def made(place, output, spec, size=1):
    for pid in members(place, output, spec, size):
        end(pid)
    assert read_sealed(output / "cost.json")["processes"] == size
    return output


@pytest.mark.parametrize("spec", [SHARED, LINEAR], ids=["robust", "linear"])
def test_two_processes_train_what_one_does_up_to_rounding(place, tmp_path, spec):
    folders = [made(place, tmp_path / str(size), spec, size) for size in (1, 2)]
    one, two = (load_file(folder / "snapshots.safetensors") for folder in folders)
    apart = np.sqrt(sum(((two[name] - tensor) ** 2).sum() for name, tensor in one.items()))
    moved = np.sqrt(sum(((tensor - one["0" * 8 + name[8:]]) ** 2).sum() for name, tensor in one.items()))
    assert apart < 1e-3 * moved
    logs = [pq.read_table(folder / "training.parquet").to_pandas() for folder in folders]
    assert list(logs[0]) == list(logs[1])
    np.testing.assert_allclose(
        logs[0].to_numpy(np.float64), logs[1].to_numpy(np.float64), rtol=1e-3, atol=1e-4, equal_nan=True
    )


def test_a_team_that_is_asked_to_stop_goes_on_and_ends_with_the_same_bits(place, tmp_path, capfd):
    calm, stopped = made(place, tmp_path / "calm", SPEC, 2), tmp_path / "stopped"
    pids = members(place, stopped, SPEC, 2)
    deadline = time.monotonic() + 120
    while len(list(stopped.glob("resume-*/part-*"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    assert [os.waitpid(pid, 0)[1] != 0 for pid in pids] == [True, True]
    assert not (stopped / "run.json").exists()
    capfd.readouterr()
    assert results(made(place, stopped, SPEC, 2)) == results(calm)
    assert capfd.readouterr().out.count("continuing after step") == 1


def test_members_end_with_the_process_that_started_them_and_the_same_command_goes_on(tmp_path):
    spec = SPEC | {"compute": SPEC["compute"] | {"processes": 2}}
    run = Run(tmp_path, spec)
    job = run.start(tmp_path / "run")
    while len(list(tmp_path.glob("run/resume-*/part-*"))) < 2:
        assert job.poll() is None, job.communicate()
        time.sleep(0.005)
    started = psutil.Process(job.pid).children()
    job.kill()
    assert len(started) == 2
    _, left = psutil.wait_procs(started, timeout=60)
    assert not left
    status, said, complained = run.make(tmp_path / "run")
    assert status == 0, complained
    assert "continuing after step" in said


MEETING = """
import os, signal, sys, torch
from tradeoff import team

assert team.enlist()
mine = team.join("cpu")
mine.wait("cpu")
if not mine.leads:
    how = sys.argv[1]
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit("error: out of memory")
mine.wait("cpu")
"""


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("fails", 1, "error: out of memory\n"),
        ("killed", 137, "error: process 2 of 2 of this run was killed\n"),
    ],
)
def test_when_one_member_fails_the_others_end_and_only_its_reason_is_said(
    tmp_path, monkeypatch, capfd, how, status, words
):
    (tmp_path / "meeting.py").write_text(MEETING)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT / 'src'}")
    assert team.start("meeting", [[how], [how]]) == status
    assert [line for line in capfd.readouterr().err.splitlines(True) if "[W" not in line] == [words]


def test_batch_normalisation_is_refused_in_one_line():
    model = build({"model": "resnet10t", "image_size": 32, "mean": [0.5] * 3, "std": [0.5] * 3}, 10, 0, None)
    with pytest.raises(
        UserError, match=r"compute\.processes: found 2 for a network with batch normalisation"
    ):
        runs._check_shareable(model, 2)
