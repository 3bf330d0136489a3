"""What each job of a study took."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tradeoff.artifacts.results import Results
from tradeoff.seals import read_sealed


@dataclass(frozen=True)
class Cost:
    """What one job took.

    rule: `fine_tune`, or `probe (<probe>)`. seconds: wall-clock time of the work itself, without start-up;
    processes: how many ran at once, each on a device of its own; machine: what they ran on, in words.
    """

    rule: str
    run: str
    seconds: float
    processes: int
    machine: str


def costs(results: Results) -> Iterator[Cost]:
    """Return the cost of fine-tuning and of each probe, run after run; UserError when a record cannot be read."""
    for run in results.study["runs"]:
        name = run["run"]
        yield _cost("fine_tune", name, results.root / "runs" / name / "cost.json", "train_seconds")
        for probe in run["probes"]:
            path = results.root / "probes" / name / f"{probe}.cost.json"
            yield _cost(f"probe ({probe})", name, path, "seconds")


def _cost(rule: str, run: str, path: Path, key: str) -> Cost:
    record = read_sealed(path)
    hardware = record["hardware"]
    machine = hardware.get("gpu") or f"{hardware['cores']} cores, {hardware['processor']}"
    processes = record.get("processes", 1)  # a probe has one process
    return Cost(rule, run, float(record[key]), processes, str(machine))
