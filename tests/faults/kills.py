"""Kill a study again and again, give the same command again each time, and measure what is done twice."""

import json
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.disturbed import POLL, Command, Jobs, Kill, Scene, role

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
    """Return kills at random moments, in the order in which a study comes by."""
    draw = random.Random(seed)
    return [
        Kill(victim, during, draw.random())
        for (victim, during), count in counts.items()
        for _ in range(count)
    ]


def undisturbed(scene: Scene, *command: str) -> dict[str, float]:
    """Run the command to its end; return the processor seconds that each kind of process needs."""
    needs: dict[str, float] = {}
    running = Command(scene, *command)
    assert running.wait(needs) == 0, running.said()[-5000:]
    return needs


def killed_again_and_again(
    scene: Scene, command: Sequence[str], kills: list[Kill], needs: dict[str, float], record: Record
) -> list[Kill]:
    """Make one study with all these kills in its way; return those whose moment did not come.

    A moment may not come because its job was nearly done when it was killed before.
    """
    began = time.monotonic()
    jobs, progress = Jobs(), Progress(scene, record)
    waiting, missed = list(kills), []
    while True:
        running, killed = Command(scene, *command), False
        while waiting and not killed:
            kill = waiting.pop(0)
            killed = running.kill(kill, needs, progress.settle)
            if killed:
                record.kills.append(f"{kill.victim} during {kill.during}")
                progress.clear()
            else:
                missed.append(kill)
                waiting, missed = [], missed + waiting  # the command has ended
        status = running.wait()
        jobs.read(running.said())
        if status == 0:
            break
        if not killed:
            said = running.said()
            assert "another workflow" in said or "cannot be locked" in said, said[-5000:]
            record.told += 1
            while any(role(process) == "snakemake" for process in scene.processes()):
                time.sleep(POLL)
            waiting, missed = missed, []
        record.restarts += 1
    progress.settle()
    record.jobs += jobs.again
    record.seconds += time.monotonic() - began
    return missed


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
