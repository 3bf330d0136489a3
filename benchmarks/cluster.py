"""What a cluster adds to the work: jobs that only sleep, through Snakemake and a real Slurm on this machine.

    python -m benchmarks.cluster trivial --jobs 1000 --nodes 4
    make figures && python -m benchmarks.cluster replay --study quickstart --nodes 1 2 4

`replay` repeats a study that was made here, job by job, with its dependencies: each job sleeps as long as it took. Four
nodes on two cores can so be told from four machines: sleeping needs no core. Ideal is a list schedule in which nothing
but the jobs takes time. Needs Debian's slurm-wlm and munge, and root.
"""

import argparse
import heapq
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.overhead import records
from tests.cluster.slurm import Cluster, missing
from tests.workflow import ROOT

# One rule, whose jobs differ by a wildcard: as in studies, of which the largest have no more rules than the smallest.
SNAKEFILE = """
import json

with open("jobs.json") as file:
    JOBS = json.load(file)

rule all:
    input: expand("done/{number}", number=range(len(JOBS)))
    default_target: True

rule job:
    input: lambda wildcards: [f"done/{one}" for one in JOBS[int(wildcards.number)]["after"]]
    output: "done/{number}"
    params: seconds=lambda wildcards: JOBS[int(wildcards.number)]["seconds"]
    resources: mem_mb=100, runtime=30
    shell: "date +%s.%N > {output}; sleep {params.seconds}; date +%s.%N >> {output}"
"""


class Job(NamedTuple):
    """seconds: to sleep; after: the numbers of the jobs that have to end before."""

    seconds: float
    after: tuple[int, ...]


class Timed(NamedTuple):
    """When a job could start, was submitted, was started by Slurm, began and ended its work, and was seen to end.

    Seconds since 1970; Slurm's and Snakemake's own are whole seconds.
    """

    ready: float
    submitted: float
    started: float
    began: float
    ended: float
    seen: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Say what a cluster adds to the work.")
    parser.add_argument("what", choices=("trivial", "replay"))
    parser.add_argument("--jobs", type=int, default=1000, help="trivial: how many")
    parser.add_argument("--study", default="quickstart", help="replay: which")
    parser.add_argument("--nodes", type=int, nargs="+", default=[4], help="of one processor each")
    parser.add_argument("--json", type=Path, help="write what was found here, too")
    arguments = parser.parse_args()
    if reason := missing():
        sys.exit(f"error: {reason}")
    jobs = [Job(0.0, ())] * arguments.jobs if arguments.what == "trivial" else recorded(arguments.study)
    found = [run(jobs, nodes) for nodes in arguments.nodes]
    for one in found:
        print("\n".join(described(one)), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


def recorded(study: str) -> list[Job]:
    """Return the jobs of a study as Snakemake recorded them here, in the order in which they ended."""
    outputs: dict[tuple[str, ...], set[str]] = defaultdict(set)
    inputs: dict[tuple[str, ...], set[str]] = defaultdict(set)
    spans: dict[tuple[str, ...], tuple[float, float]] = {}
    for file, record in records(Path(".snakemake/metadata"), study):
        job = record["rule"], *record["log"]
        outputs[job].add(str(file))
        inputs[job] |= set(record["input"])
        start, end = spans.get(job, (record["starttime"], record["endtime"]))
        spans[job] = min(start, record["starttime"]), max(end, record["endtime"])
    order = sorted(spans, key=lambda job: spans[job][1])
    made_by = {file: number for number, job in enumerate(order) for file in outputs[job]}
    return [
        Job(
            max(0.0, spans[job][1] - spans[job][0]),  # a file's date is not the clock's
            tuple(sorted({made_by[file] for file in inputs[job] if file in made_by} - {number})),
        )
        for number, job in enumerate(order)
    ]


def ideal(jobs: list[Job], nodes: int) -> float:
    """Return the seconds of a list schedule: a free node takes the first job of the list that may start."""
    waiting = {number: len(job.after) for number, job in enumerate(jobs)}
    ready = [number for number, left in waiting.items() if not left]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < nodes:
            number = heapq.heappop(ready)
            heapq.heappush(running, (now + jobs[number].seconds, number))
        now, ended = heapq.heappop(running)
        for number, job in enumerate(jobs):
            if ended in job.after:
                waiting[number] -= 1
                if not waiting[number]:
                    heapq.heappush(ready, number)
    return now


def run(jobs: list[Job], nodes: int) -> dict[str, object]:
    """Run the jobs on so many nodes of one processor; return the times, and what the controller was asked."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Snakefile").write_text(SNAKEFILE)
        (folder / "jobs.json").write_text(json.dumps([job._asdict() for job in jobs]))
        with Cluster(folder / "slurm", nodes=nodes, cpus=1) as cluster:
            began = time.time()
            ran = subprocess.run(
                [
                    *("snakemake", "--workflow-profile", str(ROOT / "profiles/slurm")),
                    *("--slurm-status-command", "squeue", "--jobs", str(max(200, nodes))),
                ],
                cwd=folder,
                env=_environment(cluster),
                stdout=(folder / "out").open("w"),
                stderr=subprocess.STDOUT,
                check=False,
            )
            ended = time.time()
            if ran.returncode:
                sys.exit((folder / "out").read_text())
            asked = _asked(cluster.ask("sdiag"))
            completed = cluster.completed.read_text()
        output = (folder / "out").read_text()
        seen, by_slurm = _seen(output), _by_slurm(output, completed)
        spans = [
            list(map(float, (folder / f"done/{number}").read_text().split())) for number in range(len(jobs))
        ]
    timed = []
    for number, job in enumerate(jobs):
        ready = max((seen[k] for k in job.after), default=began)
        (submitted, started), (began_work, ended_work) = by_slurm[number], spans[number]
        timed.append(Timed(ready, submitted, started, began_work, ended_work, seen[number]))
    return {
        "jobs": len(jobs),
        "nodes": nodes,
        "work_seconds": sum(job.seconds for job in jobs),
        "ideal_seconds": ideal(jobs, nodes),
        "seconds": ended - began,
        "seconds_by_job": {
            "waiting to be submitted": _mean(job.submitted - job.ready for job in timed),
            "waiting for a node": _mean(job.started - job.submitted for job in timed),
            "starting Snakemake in the job": _mean(job.began - job.started for job in timed),
            "until the end was seen": _mean(job.seen - job.ended for job in timed),
        },
        "asked_of_the_controller": asked,
    }


def _environment(cluster: Cluster) -> dict[str, str]:
    """As `make` has it: Snakemake's modules are compiled once, not at each start."""
    environment = cluster.environment | {"PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def described(found: dict[str, object]) -> list[str]:
    """Return what was found as lines to read."""
    by_job, asked = found["seconds_by_job"], found["asked_of_the_controller"]
    assert isinstance(by_job, dict)
    assert isinstance(asked, dict)
    return [
        f"{found['jobs']} jobs, {found['work_seconds']:.0f} s of work, on {found['nodes']} nodes:"
        f" {found['seconds']:.0f} s; ideal {found['ideal_seconds']:.0f} s",
        *(f"  {seconds:6.1f} s a job {what}" for what, seconds in by_job.items()),
        f"  the controller was asked {sum(asked.values())} times: "
        + ", ".join(f"{count} {what}" for what, count in Counter(asked).most_common(5)),
    ]


def _seen(output: str) -> dict[int, float]:
    """When Snakemake said of each job that it had finished."""
    numbers = {
        jobid: int(number)
        for number, jobid in re.findall(r"output: done/(\d+)\n(?:    .*\n)*?    jobid: (\d+)\n", output)
    }
    found = re.findall(r"\[(.+?)\]\nFinished jobid: (\d+) \(Rule: job\)", output)
    return {numbers[jobid]: datetime.strptime(when, "%c").timestamp() for when, jobid in found}


def _by_slurm(output: str, completed: str) -> dict[int, tuple[float, float]]:
    """When each job was submitted and started.

    output: Snakemake's, which names Slurm's jobs by their logs; completed: Slurm's record of the jobs that ended.
    """
    numbers = dict(re.findall(r"SLURM jobid (\d+) \(log: \S*/rule_job/(\d+)/", output))
    times = {}
    for line in completed.splitlines():
        job, *when = (re.search(rf"\b{key}=(\S+)", line) for key in ("JobId", "SubmitTime", "StartTime"))
        if job and job[1] in numbers and all(when):
            submitted, started = (datetime.fromisoformat(it[1]).timestamp() for it in when if it)
            times[int(numbers[job[1]])] = submitted, started
    return times


def _asked(diagnosis: str) -> dict[str, int]:
    """How often the controller was asked what."""
    section = diagnosis.partition("Remote Procedure Call statistics by message type")[2].partition("\n\n")[0]
    found = re.findall(r"(\S+)\s+\(\s*\d+\) count:(\d+)", section)
    return {name: int(count) for name, count in found}


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


if __name__ == "__main__":
    main()
