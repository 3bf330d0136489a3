"""A command of the project that is disturbed while it works: its processes found, counted and killed."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.workflow import ROOT, Project
from tradeoff.params.yaml_files import merge, read_yaml

STUDY = ROOT / "tests" / "studies" / "faults.yaml"
POLL = 0.1  # seconds
PATIENCE = 30_000  # polls until a command counts as hanging


@dataclass(frozen=True)
class Kill:
    """What to kill, and when.

    victim: the job, snakemake alone (its jobs live on), dvc alone, or everything. during: the script that has to
    be at work, or snakemake, or dvc. share: of the processor time that such a process needs undisturbed, which it
    has to have used. snapshots: how many have to have been taken, or probed, since the command began.
    """

    victim: str
    during: str
    share: float
    snapshots: int = 0


class Scene(Project):
    """A project whose default study is small, and whose commands are watched.

    sessions: those of its commands; every process of theirs belongs to one.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sessions: set[int] = set()
        self.environment["PYTHONUNBUFFERED"] = "1"  # a killed job's last words count
        shutil.copy(ROOT / "uv.lock", folder)
        params = merge([read_yaml(folder / "params.yaml"), read_yaml(STUDY)])
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        self.outcome = self.results(params["study"]["name"])
        self.logs = folder / "logs" / params["study"]["name"]

    def processes(self) -> list[psutil.Process]:
        """Return every process that a command started and that still lives, whatever became of its parents."""
        found = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and os.getsid(int(name)) in self.sessions:
                    process = psutil.Process(int(name))
                    if process.status() != psutil.STATUS_ZOMBIE:
                        found.append(process)
            except (ProcessLookupError, psutil.Error):
                continue
        return found

    def snapshots(self, during: str) -> int:
        """Return how many snapshots of a run that is being fine-tuned, or probed, are kept."""
        parts = {"fine_tune": "runs/**/resume-*/part-*", "probe": "probes/**/*.parts-*/*"}.get(during)
        return sum(not file.name.startswith(".") for file in self.outcome.glob(parts)) if parts else 0


def role(process: psutil.Process) -> str:
    """Return the script that a process runs, or snakemake, or dvc; empty for shells and the like."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return ""
    if "-c" in words[:2]:  # a shell, whose command names the script too, or a helper of multiprocessing
        return ""
    for word in words:
        if word.startswith("workflow_scripts."):
            return word.removeprefix("workflow_scripts.")
    name = Path(words[1]).name if len(words) > 1 else ""
    return name if name in ("snakemake", "dvc") and "--mode" not in words else ""


class Command:
    """A command that runs in the project, in a session of its own, its output in a file.

    process: more about its process, as subprocess.Popen takes it.
    """

    def __init__(self, scene: Scene, *command: str, output: str = "output.txt", **process: Any) -> None:
        self.scene = scene
        self.output = scene.folder / output
        self.output.unlink(missing_ok=True)  # an orphan may still write to the one before
        with open(self.output, "w") as file:
            self.process = subprocess.Popen(
                command,
                cwd=scene.folder,
                env=scene.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **process,
            )
        scene.sessions.add(self.process.pid)

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait(self, used: Callable[[psutil.Process], None] = lambda process: None) -> int:
        """Wait until the command has ended and return its status; used: called again and again with each process."""
        for _ in range(PATIENCE):
            status = self.process.poll()
            if status is not None:
                return status
            for process in self.scene.processes():
                used(process)
            time.sleep(POLL)
        raise AssertionError(f"hangs: {self.said()[-2000:]}")

    def kill(self, kills: Sequence[Kill], needs: dict[str, float], look: Callable[[], None]) -> Kill | None:
        """Do the first of these kills whose moment comes and return it; None when the command ends before.

        Of several during the same script, only the first is waited for. needs: processor seconds of each role,
        undisturbed, but of those that were too short to be seen. look: called just before the kill, with all stopped.
        """
        awaited = {kill.during: kill for kill in reversed(kills)}
        before = {during: self.scene.snapshots(during) for during in awaited}
        for _ in range(PATIENCE):
            if self.process.poll() is not None:
                return None
            found = self.scene.processes()
            for process in found:
                kill = awaited.get(role(process))
                if (
                    kill
                    and processor_seconds(process) >= kill.share * needs.get(kill.during, 0.0)
                    and self.scene.snapshots(kill.during) - before[kill.during] >= kill.snapshots
                ):
                    victims = {"job": [process], "everything": found}.get(kill.victim) or [
                        other for other in found if role(other) == kill.victim
                    ]
                    _send(found, signal.SIGSTOP)
                    look()
                    _send(victims, signal.SIGKILL)
                    _send(found, signal.SIGCONT)
                    return kill
            time.sleep(POLL)
        raise AssertionError(f"hangs: {self.said()[-2000:]}")


class Jobs:
    """Which jobs Snakemake started and finished, by its own words, over several attempts."""

    def __init__(self) -> None:
        self.finished: set[str] = set()
        self.again: list[str] = []

    def read(self, said: str) -> None:
        """Take in the output of one attempt; `again` lists jobs that ran although an earlier one finished them."""
        names: dict[str, str] = {}
        done_before = set(self.finished)
        for block in re.split(r"\n(?=\[\w{3} \w{3} )", said):
            started = re.search(r"^(?:local)?rule (\w+):$", block, re.M)
            number = re.search(r"^    jobid: (\d+)$", block, re.M)
            output = re.search(r"^    output: (\S+)", block, re.M)
            if started and number and output:
                name = names[number[1]] = f"{started[1]} {output[1].rstrip(',')}"
                if name in done_before:
                    self.again.append(name)
            if ended := re.search(r"^Finished jobid: (\d+) ", block, re.M):
                self.finished.add(names.get(ended[1], ended[1]))


def processor_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def _send(targets: list[psutil.Process], number: int) -> None:
    for process in targets:
        try:
            process.send_signal(number)
        except psutil.Error:
            continue
