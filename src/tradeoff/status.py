"""Where a study stands, from its files alone: what is done, at work, failed, and how long it will take still."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tradeoff.files import digest_of
from tradeoff.study import Run, Study

STATES = ("done", "at work", "failed", "waiting", "stale")
# A job writes a progress line every ten seconds or so, but may load or write for longer.
QUIET = 600.0
# How many jobs the terminal shows, and how many characters of what each said: logs hold more than progress.
SHOWN, LONGEST = 3, 200


@dataclass(frozen=True)
class Job:
    """One fine-tuning, probe or measurement of a task.

    state: one of STATES; seconds: what it took, when done and known; says: its log's last line.
    """

    rule: str
    name: str
    state: str
    seconds: float | None
    says: str


def jobs(study: Study, root: Path = Path(), now: float | None = None) -> Iterator[Job]:
    """Yield every fine-tuning, probe and measurement of a task of a study, by the files below `root`.

    stale: made with other settings than today's, so it will be made again.
    """
    now = time.time() if now is None else now
    for run in study.runs.values():
        folder = root / study.root / "runs" / run.name
        log = root / "logs" / study.name / "fine_tune" / f"{run.name}.log"
        record = _json(folder / "run.json")
        cost = _json(folder / "cost.json").get("train_seconds")
        yield _job("fine_tune", run.name, record.get("digest"), run.digest, cost, log, now)
        for probe in study.probes_of(run):
            yield _probe(study, run, probe, root, now)
    for name, spec in study.tasks.items():
        log = root / "logs" / study.name / "measure_task" / f"{name}.log"
        record = _json(root / study.root / "tasks" / name / "task.json")
        yield _job("measure_task", name, record.get("digest"), digest_of(spec), None, log, now)


def report(study: Study, root: Path = Path(), now: float | None = None) -> list[str]:
    """Return the lines of `make status`: a table, then what is at work and what failed, with its last words.

    The time left assumes that as many jobs run at once as do now (at least one), each as long as those of its rule
    that are done; a rule of which none is done counts as unknown.
    """
    found = list(jobs(study, root, now))
    rules = list(dict.fromkeys(job.rule for job in found))
    lines = [f"{study.name}: {len(study.runs)} runs", _line(["", *STATES, "all", "seconds each"])]
    busy = max(1, sum(job.state == "at work" for job in found))
    seconds, unknown = 0.0, False
    for rule in rules:
        own = [job for job in found if job.rule == rule]
        counts = Counter(job.state for job in own)
        taken = [job.seconds for job in own if job.seconds is not None]
        mean = sum(taken) / len(taken) if taken else None
        lines.append(
            _line(
                [
                    rule,
                    *(str(counts[state]) for state in STATES),
                    str(len(own)),
                    f"{mean:.0f}" if mean else "?",
                ]
            )
        )
        left = len(own) - counts["done"]
        unknown |= bool(left) and mean is None
        seconds += left * (mean or 0.0)
    if any(job.state != "done" for job in found):
        lines.append(
            f"about {_duration(seconds / busy)} left{', and what was never timed yet' if unknown else ''}"
        )
    lines += [
        f"{job.state}: {job.rule} {job.name}: {job.says}"
        for job in found
        if job.state in ("at work", "failed")
    ]
    return lines


def glance(at_work: Sequence[tuple[str, Sequence[Path]]], done: int, of: int, study: str) -> str:
    """Return some lines for the terminal: how many jobs are done, and what those at work said last.

    at_work: name and logs of each, those seen first at first; of more than SHOWN the others are only counted. An empty
    string when nothing is at work.
    """
    if not at_work:
        return ""
    lines = [f"{done} of {of} jobs done, at work:"]
    for name, logs in at_work[:SHOWN]:
        says, _ = min((_last_line(log, 0.0) for log in logs), key=lambda found: found[1])  # the youngest
        plain = "".join(each if each.isprintable() else "?" for each in says[:LONGEST])
        lines.append(f"    {name}: {plain or 'starting'}")
    if len(at_work) > SHOWN:
        lines.append(f"    and {len(at_work) - SHOWN} more: make status STUDY={study}")
    return "\n".join(lines)


def now_and_then(say: Callable[[], None], first: float, every: float) -> threading.Event:
    """Call `say` from a thread after `first` seconds, then every so many, until the event that is returned is set.

    The thread keeps no process alive.
    """
    ended = threading.Event()

    def run() -> None:
        pause = first
        while not ended.wait(pause):
            say()
            pause = every

    threading.Thread(target=run, name="now_and_then", daemon=True).start()
    return ended


def _probe(study: Study, run: Run, probe: str, root: Path, now: float) -> Job:
    folder = root / study.root / "probes" / run.name
    log = root / "logs" / study.name / "probe" / run.name / f"{probe}.log"
    found = _identity(folder / f"{probe}.parquet").get("probe_digest")
    cost = _json(folder / f"{probe}.cost.json").get("seconds")
    return _job("probe", f"{run.name}/{probe}", found, study.probe_digest(run, probe), cost, log, now)


def _job(
    rule: str, name: str, found: str | None, today: str, seconds: float | None, log: Path, now: float
) -> Job:
    says, age = _last_line(log, now)
    if found == today:
        return Job(rule, name, "done", seconds, says)
    if _is_failure(says):
        return Job(rule, name, "failed", None, says)
    if age < QUIET:
        return Job(rule, name, "at work", None, says or "starting")
    return Job(rule, name, "waiting" if found is None else "stale", None, says)


def _last_line(log: Path, now: float) -> tuple[str, float]:
    """Return the last line of a log and how many seconds ago it was written; no log is infinitely old."""
    try:
        age = now - log.stat().st_mtime
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return "", float("inf")
    return (lines[-1] if lines else ""), age


def _is_failure(line: str) -> bool:
    """A job that ended badly says `error: ...`, or its last line is that of a Python exception."""
    word = line.split(":")[0]
    return word == "error" or (word.endswith(("Error", "Exception", "Killed")) and " " not in word)


def _json(path: Path) -> dict[str, Any]:
    """What a file holds; nothing when it is missing or not whole, which the rules say when they read it."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _identity(path: Path) -> dict[str, Any]:
    try:
        metadata = pq.read_schema(path).metadata or {}
        content = json.loads(metadata[b"identity"])
    except (OSError, ValueError, KeyError):
        return {}
    return content if isinstance(content, dict) else {}


def _line(cells: list[str]) -> str:
    return f"{cells[0]:12}" + "".join(
        f"{cell:>14}" if cell == "seconds each" else f"{cell:>9}" for cell in cells[1:]
    )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
