"""A project with three jobs of no science under git, Snakemake and DVC, wired up as the real one is.

Its jobs take no time, so that every situation between the two tools can be tried. Each says in the file `ran` that
it ran.
"""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.workflow import ROOT

PARAMS = {"strategies": ["a"], "learning_rate": {"a": 1, "b": 1}, "reference": 0, "seconds": 0}
SNAKEFILE = """
from pathlib import Path
from tradeoff.memory import recall
from workflow_scripts import at_work

configfile: "params.yaml"

if workflow.is_main_process and at_work.enter("small"):
    recall(Path("memory").glob("*"))

onstart:
    at_work.begin("small")

rule all:
    default_target: True
    input: "results/table.txt"

rule data:
    output: "data/data.bin"
    shell: "echo data >> ran; head -c 2000000 /dev/zero > {output}"

rule runs:
    input: expand("results/runs/{strategy}.txt", strategy=config["strategies"])

rule run:
    input: "data/data.bin"
    output: "results/runs/{strategy}.txt"
    params: rate=lambda wildcards: config["learning_rate"][wildcards.strategy]
    shell: "echo {wildcards.strategy} >> ran; sleep %s; test {params.rate} != bad; echo rate {params.rate} > {output}"

rule table:
    input: rules.runs.input
    output: "results/table.txt"
    params: reference=config["reference"]
    shell: "echo table >> ran; cat {input} > {output}; echo reference {params.reference} >> {output}"
"""
STAGES = {
    "all": {
        "cmd": f"{sys.executable} -m workflow_scripts.recorded dvc.yaml:all snakemake",
        "deps": ["Snakefile"],
        "params": ["strategies", "learning_rate", "reference"],
        "outs": [
            {path: {"persist": True}}
            for path in ("data", "results/runs", "results/table.txt", "memory/all.json")
        ],
    }
}


class SmallProject:
    """A clone in `folder`; `make` starts a new one, `cloned` brings another's commits and results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_NAME": "tester" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "tester@example.org" for who in ("AUTHOR", "COMMITTER")},
        }
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)

    @classmethod
    def make(cls, folder: Path, remote: str) -> "SmallProject":
        """A new project whose results are recorded in its first commit."""
        project = cls(folder)
        (folder / ".dvc").mkdir(parents=True)
        (folder / ".dvc" / "config").write_text(
            f"[core]\n    analytics = false\n    remote = store\n['remote \"store\"']\n    url = {remote}\n"
        )
        shutil.copy(ROOT / ".dvc" / ".gitignore", folder / ".dvc")
        shutil.copytree(ROOT / "profiles", folder / "profiles")
        (folder / ".gitignore").write_text("/data/\n/results/\n/memory/\n/.snakemake/\n/ran\n")
        (folder / "Snakefile").write_text(SNAKEFILE.replace("%s", "{config[seconds]}"))
        (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS))
        (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
        project.run("git", "init", "-q", "-b", "main")
        project.run("dvc", "repro", "-q")
        project.commit("first")
        return project

    def cloned(self, folder: Path) -> "SmallProject":
        """Another clone, with what was pushed, and with dates in an order that says nothing."""
        self.run("dvc", "push", "-q")
        subprocess.run(["git", "clone", "-q", str(self.folder), str(folder)], check=True)
        clone = SmallProject(folder)
        clone.run("dvc", "pull", "-q")
        clone.shuffle_dates()
        return clone

    def copied(self, folder: Path) -> "SmallProject":
        """The same clone elsewhere, dates and all."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return SmallProject(folder)

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command in the project; return what it printed."""
        result = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert (result.returncode != 0) == fails, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout + result.stderr

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "-q", "-m", message)

    def edit(self, **changes: object) -> None:
        """Lay changes over params.yaml."""
        path = self.folder / "params.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))

    def ran(self) -> list[str]:
        """The jobs that ran since the last call."""
        path = self.folder / "ran"
        jobs = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return sorted(jobs)

    def settled(self) -> bool:
        """Neither tool finds anything to do."""
        nothing = "Nothing to be done" in self.run("snakemake", "--dry-run")
        return nothing and "up to date" in self.run("dvc", "status")

    def shuffle_dates(self) -> None:
        """Give all results dates of the last hours, in an order of their own."""
        files = sorted(
            path
            for place in ("data", "results")
            for path in (self.folder / place).rglob("*")
            if path.is_file()
        )
        random.Random(0).shuffle(files)
        self.date(files)

    def order_dates(self) -> None:
        """Give all results dates in the order in which they are made."""
        self.date([self.folder / "data/data.bin", *self.runs(), self.folder / "results/table.txt"])

    def date(self, files: list[Path]) -> None:
        for hours, path in enumerate(reversed(files), start=1):
            date = (self.folder / "Snakefile").stat().st_mtime - 3600 * hours
            os.utime(path, (date, date))

    def runs(self) -> list[Path]:
        return sorted((self.folder / "results" / "runs").iterdir())

    def table(self) -> str:
        return (self.folder / "results" / "table.txt").read_text()

    def recorded_params(self) -> dict:
        """The params that dvc.lock says the results were made with."""
        lock = yaml.safe_load((self.folder / "dvc.lock").read_text())
        params: dict = lock["stages"]["all"]["params"]["params.yaml"]
        return params
