"""Where a study's time went: at work, starting and ending jobs, or with cores idle.

    make figures && python -m benchmarks.overhead --study quickstart --cores 2

Reads what Snakemake recorded of the last time that each result was made, so run it after a whole study made in one go.
Work is what fine-tunings and probes say in their cost files; their other seconds are overhead. Jobs that leave no such
file (data, pre-training, tables, figures) are counted apart.
"""

import argparse
import base64
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Job(NamedTuple):
    """start, end: seconds since 1970; work: seconds that its cost file says, None without one."""

    rule: str
    start: float
    end: float
    work: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description="Say where a study's time went.")
    parser.add_argument("--study", default="quickstart", help="its name")
    parser.add_argument("--cores", type=int, required=True, help="that Snakemake was given")
    arguments = parser.parse_args()
    jobs = finished(Path(".snakemake/metadata"), arguments.study)
    print("\n".join(report(jobs, arguments.cores)))


def records(metadata: Path, study: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each finished file of a study, and of the data it was made from, and Snakemake's record of it."""
    known = {}
    for file in metadata.rglob("*"):
        if file.is_file():
            name = base64.b64decode(str(file.relative_to(metadata)).replace("/@", "").encode()).decode()
            known[name] = json.loads(file.read_text())
    pending = [name for name in known if name.startswith(f"results/{study}/")]
    seen = set(pending)
    while pending:
        record = known[name := pending.pop()]
        if record.get("endtime"):
            yield Path(name), record
        # Other studies' data lie in the same folders.
        found = {file for file in record["input"] if file in known and file.startswith("data/")} - seen
        seen |= found
        pending += found


def finished(metadata: Path, study: str) -> list[Job]:
    """Return the jobs of a study, and those of its data."""
    outputs = defaultdict(list)
    for file, record in records(metadata, study):
        outputs[record["rule"], *record["log"]].append((record, file))
    jobs = []
    for (rule, *_), made in outputs.items():
        start, end = min(it["starttime"] for it, _ in made), max(it["endtime"] for it, _ in made)
        jobs.append(Job(rule, start, end, _work([file for _, file in made])))
    return sorted(jobs, key=lambda job: job.start)


def report(jobs: list[Job], cores: int) -> list[str]:
    """Return a line for each kind of job, then the shares of cores x (first start to last end)."""
    first, last = min(job.start for job in jobs), max(job.end for job in jobs)
    available = cores * (last - first)
    kinds = defaultdict(list)
    for job in jobs:
        kinds["figures and tables" if job.rule.startswith(("figure_", "table_")) else job.rule].append(job)
    lines = [f"{'':20}{'jobs':>6}{'seconds':>9}{'of work':>9}"]
    for kind, own in kinds.items():
        seconds, work = sum(job.end - job.start for job in own), sum(job.work or 0 for job in own)
        lines.append(f"{kind:20}{len(own):6}{seconds:9.1f}{work:9.1f}")
    timed = [job for job in jobs if job.work is not None]
    busy = sum(job.end - job.start for job in jobs)
    overhead = sum(job.end - job.start - (job.work or 0) for job in timed)
    shares = {
        "at work": sum(job.work or 0 for job in timed),
        "starting and ending fine-tunings and probes": overhead,
        "in other jobs": sum(job.end - job.start for job in jobs if job.work is None),
        "idle": available - busy,
    }
    lines.append(f"{last - first:.1f} s from the first job to the last, on {cores} cores:")
    return lines + [f"  {seconds / available:6.1%} {what}" for what, seconds in shares.items()]


def _work(made: list[Path]) -> float | None:
    """Seconds of a job's cost files; None without any."""
    found = [
        content[key]
        for file in made
        if file.name.endswith("cost.json")
        for content in [json.loads(file.read_text())]
        for key in ("seconds", "train_seconds")
        if key in content
    ]
    return sum(found) if found else None


if __name__ == "__main__":
    main()
