"""Run a command as a stage of DVC, so that what DVC records of it is what happened.

    python -m workflow_scripts.recorded dvc.yaml:runs snakemake probes

DVC reads params and code when a stage has ended. Were they edited while it ran, it would record results of the old
ones as results of the new ones: such a stage is refused, and the next `dvc repro` runs it again. What Snakemake
recorded of the outputs is kept with them.
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tradeoff.errors import UserError
from tradeoff.files import sha256_of
from tradeoff.memory import keep
from tradeoff.params.yaml_files import read_yaml
from tradeoff.script import run_script

MADE = ("data/", "results/")  # by earlier stages


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Run a command as a stage of DVC.")
    parser.add_argument("stage", help="FILE:NAME of the stage")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what it runs")
    arguments = parser.parse_args(argv)
    file, _, name = arguments.stage.rpartition(":")
    stage = read_yaml(file)["stages"][name]

    before = _inputs(stage)
    signal.signal(
        signal.SIGINT, lambda *_: None
    )  # Ctrl-C reaches the command too, which ends in its own time
    status = subprocess.run(arguments.command).returncode
    if status:
        sys.exit(status)
    after = _inputs(stage)
    changed = sorted(path for path in before | after if before.get(path) != after.get(path))
    if changed:
        raise UserError(
            ", ".join(changed),
            "an edit made while the stage ran",
            "the params and code it began with",
            "run the same command again",
        )
    places = [_name(out) for out in stage["outs"] + stage.get("metrics", [])]
    (memory,) = [Path(place) for place in places if Path(place).parent.name == "memory"]
    keep(memory, places)


def _inputs(stage: dict[str, Any]) -> dict[str, str]:
    """The sha256 of every file of params and code that a stage depends on."""
    places = [_name(dep) for dep in stage["deps"]]
    places += [_name(entry) if isinstance(entry, dict) else "params.yaml" for entry in stage["params"]]
    return {
        str(path): sha256_of(path)
        for place in sorted(set(places))
        if not place.startswith(MADE)
        for path in _files(Path(place))
    }


def _name(entry: str | dict[str, Any]) -> str:
    """An entry of a DVC file is a path, or a path with settings."""
    return entry if isinstance(entry, str) else next(iter(entry))


def _files(place: Path) -> Iterator[Path]:
    """The files that DVC counts, of a file or folder."""
    for path in [place] if place.is_file() else sorted(place.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


if __name__ == "__main__":
    run_script(main)
