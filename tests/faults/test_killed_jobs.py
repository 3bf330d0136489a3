"""Jobs killed with SIGKILL at random moments, and started again: the same bits, and hardly any work twice.

The jobs are forks of the test, which has loaded the libraries already: many kills in little time. What is killed
together with Snakemake or DVC is in test_kills.py.
"""

import os
import random
import re
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from matplotlib.figure import Figure

from tests.data_support import write_raw
from tests.faults.run import EVERY, FORKS, SPEC, Run, end, fork
from tradeoff import runs, training
from tradeoff.artifacts import style
from tradeoff.data.decode import Form
from tradeoff.data.pack import pack
from tradeoff.locks import sole_worker
from tradeoff.probes import attack
from tradeoff.probes.run import Outputs, probe_run

TIMES = 5 if os.environ.get("TRADEOFF_FAULTS") == "full" else 1
several_times = pytest.mark.parametrize("go", range(TIMES))
DRAW = random.Random(int(os.environ.get("TRADEOFF_FAULTS_SEED", "0")))
PGD = {
    "kind": "attack",
    "name": "pgd",
    "attack": "pgd",
    "norm": "linf",
    "epsilons": [0.05, 0.5],
    "steps": 3,
    "seed": 0,
    "limit": 10,
    "compute": {
        "deterministic": False,
        "threads": 1,
        "batch_size": 32,
        "precision": "fp32",
        "channels_last": False,
        "compile": False,
    },
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.set_num_threads(1)  # forks have no other thread
    return Run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def finished(run):
    """The folder of the run, fine-tuned."""
    end(fork(lambda: fine_tune(run, run.place / "finished")))
    return run.place / "finished"


def fine_tune(run, output):
    with sole_worker(output):
        runs.fine_tune(SPEC, "code", run.place / "data", run.place / "weights.safetensors", output)


def content(folder):
    """What a job declares: neither what it keeps in case of a kill, nor what it cost."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and not path.name.endswith("cost.json") and path.name != "done"
    }


def used(pid):
    """Return the processor seconds that a fork has used, also when it has just ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def has_ended(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def survive(job, folder, kills, reach):
    """Kill the job at work as often, then let it end, and compare; return what it did in each attempt.

    job: called with its output folder; what it does it appends to the file `done` there. reach: up to which share of
    the processor time of an undisturbed job each attempt may come. Like Snakemake, delete the results before each
    attempt. An attempt that ended before its moment was no kill: its results are deleted too, and the next ones are
    killed earlier.
    """
    calm = folder / "calm"
    pid = fork(lambda: job(calm))
    while not has_ended(pid):
        time.sleep(0.005)
    longest = reach * used(pid)
    end(pid)
    killed, attempts = folder / "killed", []
    killed.mkdir()
    while kills >= 0:
        for file in killed.iterdir():
            if file.is_file() and not file.name.startswith("."):
                file.unlink()
        pid, moment = fork(lambda: job(killed)), DRAW.uniform(0, longest)
        while kills and not has_ended(pid) and used(pid) < moment:
            time.sleep(0.002)
        if kills and has_ended(pid):
            end(pid)
            longest /= 2
            assert longest > 1e-4, "the job ends before it can be killed"
        elif kills:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            kills -= 1
        else:
            end(pid)
            kills = -1
        done = killed / "done"
        attempts.append([int(line) for line in done.read_text().split()] if done.exists() else [])
    assert content(killed) == content(calm)
    assert not list(killed.rglob("*.part"))
    return attempts


def redone(attempts):
    """Return the most that one attempt did although an earlier one had."""
    before, most = set(), 0
    for done in attempts:
        most = max(most, len(before & set(done)))
        before |= set(done)
    return most


def noting(function, folder, what):
    """Return the function, which notes in the file `done` what each call is about, before it begins."""

    def noted(*arguments):
        with open(folder / "done", "a") as done:
            done.write(f"{what(*arguments)}\n")
        return function(*arguments)

    return noted


@several_times
def test_fine_tuning_redoes_no_more_than_the_steps_since_the_last_snapshot(run, go, tmp_path, capsys):
    update = training._update

    def job(output):
        output.mkdir(exist_ok=True)
        training._update = noting(update, output, lambda job, optimizer, batches, step, *_: step)
        fine_tune(run, output)

    attempts = survive(job, tmp_path, 10, 0.4)
    assert set().union(*attempts) == set(range(40))
    _report(capsys, "fine-tuning", attempts, "steps")
    assert redone(attempts) <= EVERY


@several_times
def test_a_probe_redoes_no_more_than_one_snapshot(run, finished, go, tmp_path, capsys):
    evaluate = attack.evaluate

    def job(output):
        output.mkdir(exist_ok=True)
        attack.evaluate = noting(evaluate, output, lambda *_: _evaluated(output))
        outputs = Outputs(*(output / name for name in ("pgd.parquet", "pgd.safetensors", "cost.json")))
        weights, data = run.place / "weights.safetensors", {"digits": run.place / "data"}
        probe_run(PGD, "digest", "code", finished, weights, data, outputs)

    attempts = survive(job, tmp_path, 8, 0.4)
    _report(capsys, "probing", attempts, "snapshots")
    assert redone(attempts) <= 1


def _evaluated(output):
    """The number of the snapshot that is evaluated next: as many are kept."""
    return len(list(output.glob("*.parts-*/*.safetensors")))


@several_times
@pytest.mark.parametrize("workers", [1, 2])
def test_packing_ends_with_the_same_bytes(go, workers, tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(256, size=(2000, 6, 5, 3), dtype=np.uint8)
    splits = {"train": (pixels[:1500], np.arange(1500) % 3), "test": (pixels[1500:], np.arange(500) % 3)}
    raw = tmp_path / "raw"
    raw.mkdir()
    write_raw(raw, splits, ["a", "b", "c"])
    attempts = survive(
        lambda output: pack(raw, output, Form(32, "squash", "bilinear"), workers), tmp_path, 3, 1.0
    )
    _report(capsys, f"packing with {workers} processes", attempts)
    deadline = time.monotonic() + 30
    while left := [process for process in psutil.process_iter(["cmdline"]) if _works_for_a_fork(process)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def _works_for_a_fork(process):
    """Say whether a process is a pool's worker of one of our forks, which are all dead."""
    parent = re.search(r"parent_pid=(\d+)", " ".join(process.info["cmdline"] or []))
    return bool(parent) and int(parent[1]) in FORKS


@several_times
def test_a_figure_ends_with_the_same_bytes(go, tmp_path, capsys):
    def job(output):
        output.mkdir(exist_ok=True)
        with style.styled():
            figure = Figure()
            figure.subplots().plot([0, 1], [1, 0])
            style.save([figure], pd.DataFrame({"x": [0, 1], "y": [1, 0]}), output / "figure")

    _report(capsys, "drawing", survive(job, tmp_path, 4, 1.0))


def _report(capsys, what, attempts, unit=""):
    with capsys.disabled():
        twice = f", {redone(attempts)} {unit} redone at most" if unit else ""
        print(f"\n{what}: {len(attempts)} attempts{twice}")
