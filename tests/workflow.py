"""A copy of the project in a folder of its own, and Snakemake on it, for tests of the workflow."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PARTS = [
    "Snakefile",
    "rules",
    "workflow_scripts",
    "src",
    "schemas",
    "report",
    "profiles",
    "params.yaml",
    "studies",
]
PARTS += ["dvc.yaml", ".dvcignore", "Makefile"]
# Files that say how long things took and on what: everything else must be equal bit for bit.
TIMED = ("cost.json", "explorer.html", "explorer.record.json", "report.html", "report.record.json")


class Project:
    """The project's files copied to `folder`, with the small study `tiny` as its params.yaml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, folder / part)
        shutil.copy(ROOT / "tests" / "studies" / "tiny.yaml", folder / "studies" / "tiny.yaml")
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),  # before the installed package, so that edits here count
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        for variable in ("TRADEOFF_MIRROR", "PYTHONDONTWRITEBYTECODE"):
            self.environment.pop(variable, None)

    def snakemake(
        self, *arguments: str, study: str = "studies/tiny.yaml"
    ) -> subprocess.CompletedProcess[str]:
        return self.run("snakemake", "--configfile", study, *arguments)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)

    def planned(self, *arguments: str, study: str = "studies/tiny.yaml") -> dict[str, int]:
        """Return the number of jobs that would run, by rule."""
        result = self.snakemake("--dry-run", *arguments, study=study)
        assert result.returncode == 0, result.stderr + result.stdout
        table = re.search(r"Job stats:\n(.*?)\n\n", result.stdout + "\n\n", re.S)
        rows = [line.split() for line in table[1].splitlines()[2:]] if table else []
        return {row[0]: int(row[1]) for row in rows if row[0] != "total"}

    def edit(self, overlay: dict, study: str = "studies/tiny.yaml") -> None:
        """Lay changes over a study file."""
        from tradeoff.params.yaml_files import merge, read_yaml

        path = self.folder / study
        path.write_text(yaml.safe_dump(merge([read_yaml(path), overlay])))

    def results(self, study: str = "tiny") -> Path:
        return self.folder / "results" / study


def content(folder: Path) -> dict[str, str]:
    """Return the sha256 of every result that does not depend on time."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(TIMED)
    }
