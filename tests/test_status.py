"""`make status`: what it makes of the files that a study has left so far."""

import json
import os
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tradeoff.params import load_params
from tradeoff.status import glance, jobs, now_and_then, report
from tradeoff.study import Run, Study

HERE = Path(__file__).parents[1]
NOW = 1_000_000.0


@pytest.fixture
def study() -> Study:
    return Study(load_params([HERE / "params.yaml", HERE / "tests" / "studies" / "tiny.yaml"]))


def run_of(study: Study, strategy: str) -> Run:
    return next(run for run in study.runs.values() if run.strategy == strategy)


def finish(study: Study, run: Run, root: Path, digest: str, seconds: float) -> None:
    folder = root / study.root / "runs" / run.name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"digest": digest}))
    (folder / "cost.json").write_text(json.dumps({"train_seconds": seconds}))


def log(study: Study, run: Run, root: Path, text: str, age: float) -> None:
    file = root / "logs" / study.name / "fine_tune" / f"{run.name}.log"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    os.utime(file, (NOW - age, NOW - age))


def states(study: Study, root: Path) -> dict[tuple[str, str], str]:
    return {(job.rule, job.name): job.state for job in jobs(study, root, NOW)}


def test_nothing_made_yet_is_all_waiting(study: Study, tmp_path: Path) -> None:
    assert set(states(study, tmp_path).values()) == {"waiting"}
    assert len(states(study, tmp_path)) == 2 + 4  # two runs, two probes each


def test_a_run_is_done_with_todays_settings_and_stale_with_others(study: Study, tmp_path: Path) -> None:
    linear, lora = run_of(study, "linear"), run_of(study, "lora")
    finish(study, linear, tmp_path, linear.digest, 60)
    finish(study, lora, tmp_path, "0" * 64, 60)
    found = states(study, tmp_path)
    assert found["fine_tune", linear.name] == "done"
    assert found["fine_tune", lora.name] == "stale"


def test_a_probe_is_done_when_its_table_says_it_is_of_todays_settings(study: Study, tmp_path: Path) -> None:
    run = run_of(study, "linear")
    folder = tmp_path / study.root / "probes" / run.name
    folder.mkdir(parents=True)
    for probe, digest in (("pgd", study.probe_digest(run, "pgd")), ("shift", "0" * 64)):
        about = {"identity": json.dumps({"probe_digest": digest})}
        pq.write_table(pa.table({"step": [0]}).replace_schema_metadata(about), folder / f"{probe}.parquet")
    found = states(study, tmp_path)
    assert found["probe", f"{run.name}/pgd"] == "done"
    assert found["probe", f"{run.name}/shift"] == "stale"


@pytest.mark.parametrize(
    ("text", "age", "state"),
    [
        ("linear, steps: 10/48, 3.0/s, 0:12 left\n", 5.0, "at work"),
        ("", 5.0, "at work"),  # importing still
        ("linear, steps: 10/48, 3.0/s, 0:12 left\n", 3600.0, "waiting"),  # its process is gone
        ("steps: 1/2\nerror: output: the disk is full\n", 5.0, "failed"),
        ("Traceback ...\nRuntimeError: out of memory\n", 3600.0, "failed"),
    ],
)
def test_a_log_tells_work_from_failure_and_from_an_interrupted_job(
    study: Study, tmp_path: Path, text: str, age: float, state: str
) -> None:
    run = run_of(study, "linear")
    log(study, run, tmp_path, text, age)
    assert states(study, tmp_path)["fine_tune", run.name] == state


def test_time_left_is_what_finished_jobs_took_shared_by_those_at_work(study: Study, tmp_path: Path) -> None:
    linear, lora = run_of(study, "linear"), run_of(study, "lora")
    finish(study, linear, tmp_path, linear.digest, 7200)
    log(study, lora, tmp_path, "steps: 1/9\n", 5.0)
    lines = report(study, tmp_path, NOW)
    assert "about 2 h 00 min left, and what was never timed yet" in lines  # no probe was timed
    assert f"at work: fine_tune {lora.name}: steps: 1/9" in lines


def test_broken_files_count_as_not_done(study: Study, tmp_path: Path) -> None:
    run = run_of(study, "linear")
    finish(study, run, tmp_path, run.digest, 60)
    (tmp_path / study.root / "runs" / run.name / "run.json").write_text('{"digest": "')
    assert states(study, tmp_path)["fine_tune", run.name] == "waiting"


def test_a_glance_shows_what_jobs_at_work_said_last_and_counts_the_rest(tmp_path: Path) -> None:
    def said(name: str, text: str, age: float = 1.0) -> Path:
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (NOW - age, NOW - age))
        return tmp_path / name

    at_work = [
        ("fine_tune digits/lora", [said("a", "step 1\rsteps: 340/846, 3.1/s, 2:43 left\n")]),
        # Of a job with several logs the youngest counts; what a killed one left does not.
        ("probe_batch_0", [said("b", ""), said("c", "snapshot 3/9\n"), said("d", "old\n", age=900.0)]),
        ("gather", [said("e", "\x1b[2J" + 500 * "x")]),
        *((f"figure_{number}", [tmp_path / "none yet"]) for number in range(4)),
    ]
    os.utime(tmp_path / "b", (NOW - 30, NOW - 30))
    assert glance(at_work, 12, 49, "mine").splitlines() == [
        "12 of 49 jobs done, at work:",
        "    fine_tune digits/lora: steps: 340/846, 3.1/s, 2:43 left",
        "    probe_batch_0: snapshot 3/9",
        f"    gather: ?[2J{'x' * 196}",
        "    and 4 more: make status STUDY=mine",
    ]
    assert glance([], 49, 49, "mine") == ""
    assert glance(at_work[3:4], 48, 49, "mine").splitlines()[1] == "    figure_0: starting"


def test_now_and_then_it_speaks_until_it_is_told_to_end() -> None:
    heard: list[float] = []
    begun = time.monotonic()
    ended = now_and_then(lambda: heard.append(time.monotonic() - begun), first=0.2, every=0.02)
    while len(heard) < 3 and time.monotonic() - begun < 30:
        time.sleep(0.01)
    ended.set()
    assert len(heard) >= 3
    assert heard[0] >= 0.2
    time.sleep(0.1)
    quiet = len(heard)
    time.sleep(0.2)
    assert len(heard) == quiet
