"""Kill a study again and again, give the same command again each time, and measure what is done twice."""

import json
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from tests.faults.disturbed import POLL, Command, Jobs, Kill, Scene, processor_seconds, role

# As tests/studies/faults.yaml says.
STEPS, EVERY = 480, 12
SNAPSHOTS = STEPS // EVERY + 1


@dataclass
class Record:
    """What the kills of one or more studies showed.

    kills: by what was killed during what. restarts: how often the command was given again. told: how often it
    answered that another workflow is still at work. steps, snapshots: the most done again after a kill, of
    fine-tuning and of a probe. jobs: whole jobs done again although Snakemake knew they were done.
    """

    kills: list[str] = field(default_factory=list)
    restarts: int = 0
    told: int = 0
    steps: list[int] = field(default_factory=list)
    snapshots: list[int] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        kinds = {kind: self.kills.count(kind) for kind in sorted(set(self.kills))}
        return json.dumps(
            {
                "kills": len(self.kills),
                "of": kinds,
                "restarts": self.restarts,
                "told to wait": self.told,
                "fine-tuning resumed": len(self.steps),
                "steps redone, at most": max(self.steps, default=0),
                "probes resumed": len(self.snapshots),
                "snapshots probed again, at most": max(self.snapshots, default=0),
                "finished jobs redone": self.jobs,
                "seconds": round(self.seconds),
            },
            indent=2,
        )


def plan(counts: dict[tuple[str, str], int], seed: int) -> list[Kill]:
    """Return kills at random moments, in the order in which a study comes by.

    What goes on where it stopped is killed while it starts, and after a few snapshots: so that enough are left for
    the next kill. What starts over may have done nearly all of its work.
    """
    draw = random.Random(seed)
    return [
        Kill(victim, during, draw.uniform(0, 0.4), draw.randrange(4))
        if during in ("fine_tune", "probe")
        else Kill(victim, during, draw.uniform(0, 0.8))
        for (victim, during), count in counts.items()
        for _ in range(count)
    ]


def undisturbed(scene: Scene, *command: str) -> dict[str, float]:
    """Run the command to its end; return the least processor seconds that a process of each role needs."""
    used: dict[tuple[str, int], float] = {}

    def note(process: psutil.Process) -> None:
        if name := role(process):
            used[name, process.pid] = max(used.get((name, process.pid), 0.0), processor_seconds(process))

    running = Command(scene, *command)
    assert running.wait(note) == 0, running.said()[-5000:]
    needs: dict[str, float] = {}
    for (name, _), seconds in used.items():
        if seconds > 0.1:  # else a fork that is about to become something else
            needs[name] = min(needs.get(name, seconds), seconds)
    return needs


def killed_again_and_again(
    scene: Scene, command: Sequence[str], kills: list[Kill], needs: dict[str, float], record: Record
) -> list[Kill]:
    """Make one study with all these kills in its way; return those whose moment did not come.

    A moment does not come when a job that was left to itself ends before it.
    """
    began = time.monotonic()
    jobs, progress = Jobs(), Progress(scene, record)
    waiting = list(kills)
    while True:
        running = Command(scene, *command)
        kill = running.kill(waiting, needs, progress.settle)
        status = running.wait()
        jobs.read(running.said())
        if kill:
            waiting.remove(kill)
            record.kills.append(f"{kill.victim} during {kill.during}")
            progress.clear()
        elif status == 0:
            break
        else:
            said = running.said()
            assert "another workflow" in said or "cannot be locked" in said, said[-5000:]
            record.told += 1
            while any(role(process) == "snakemake" for process in scene.processes()):
                time.sleep(POLL)
        record.restarts += 1
    progress.settle()
    record.jobs += jobs.again
    record.seconds += time.monotonic() - began
    return waiting


class Progress:
    """How far fine-tuning and probes had come at each kill, and from where the next attempt went on."""

    def __init__(self, scene: Scene, record: Record) -> None:
        self.record = record
        self.results, self.logs = scene.outcome, scene.logs
        self.steps: dict[str, int] = {}
        self.probed: dict[str, int] = {}

    def settle(self) -> None:
        """Compare what this attempt's logs say with what was there before it, and note what is there now."""
        for log in self.logs.glob("fine_tune/**/seed*.log"):
            run = str(log.relative_to(self.logs / "fine_tune").with_suffix(""))
            folder = self.results / "runs" / run
            done = (folder / "run.json").exists()
            parts = [int(part.stem.split("-")[1]) for part in folder.glob("resume-*/part-*")]
            before, now = self.steps.get(run, 0), max(parts, default=0)
            found = re.search(r"continuing after step (\d+)|nothing left to do", log.read_text())
            # A job that is still starting has said nothing yet, and removed nothing.
            if before and (found or done or now < before):
                went_on_at = int(found[1] or before) if found else 0
                self.record.steps.append(max(0, before - went_on_at))
            self.steps[run] = STEPS if done else now
        for log in self.logs.glob("probe/**/*.log"):
            probe = str(log.relative_to(self.logs / "probe").with_suffix(""))
            table = self.results / "probes" / f"{probe}.parquet"
            parts = list(table.parent.glob(f"{table.name}.parts-*/*.safetensors"))
            before, now = self.probed.get(probe, 0), SNAPSHOTS if table.exists() else len(parts)
            evaluated = len(re.findall(r"^snapshot \d+/", log.read_text(), re.M))
            if before:
                self.record.snapshots.append(max(0, evaluated - (now - before)))
            self.probed[probe] = now

    def clear(self) -> None:
        """Remove the logs, so that what is there later is the next attempt's."""
        for log in self.logs.rglob("*.log"):
            log.unlink()
