"""Remove what a killed `dvc repro` left half done: locks of processes that are gone, a lockfile cut short.

    python -m workflow_scripts.unlock_dvc

make calls it before `dvc repro`. DVC itself drops the lock of a process number that no process has; after a reboot
another program may have it. Without dvc.lock DVC asks Snakemake, which redoes nothing, and records anew.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml

from tradeoff.script import run_script

LOCKS = Path(".dvc/tmp/rwlock")
RECORDS = ("dvc.lock", "data/dvc.lock", "studies/*/dvc.lock")


def unlock() -> None:
    """Remove DVC's locks unless a living DVC holds one, and its lockfiles that are not whole."""
    if LOCKS.exists() and not any(_is_dvc(pid) for pid in _owners()):
        LOCKS.unlink()
    for record in (file for pattern in RECORDS for file in sorted(Path().glob(pattern))):
        if not _is_whole(record):
            record.unlink()
            print(f"removed {record}, which a killed DVC left cut short: what it said is recorded anew")


def _owners() -> Iterator[int]:
    """The process numbers in DVC's locks; none when the file is not whole: it is written while nobody else reads."""
    try:
        locks = json.loads(LOCKS.read_text())
    except ValueError:
        return
    for by_path in locks.values():
        for owners in by_path.values():
            for owner in owners if isinstance(owners, list) else [owners]:
                yield int(owner["pid"])


def _is_dvc(pid: int) -> bool:
    try:
        return any(Path(word).name == "dvc" for word in psutil.Process(pid).cmdline()[:3])
    except psutil.Error:
        return False


def _is_whole(file: Path) -> bool:
    try:
        content: Any = yaml.safe_load(file.read_text())
    except yaml.YAMLError:
        return False
    stages = content.get("stages") if isinstance(content, dict) else None
    return isinstance(stages, dict) and all(
        isinstance(stage, dict) and "cmd" in stage for stage in stages.values()
    )


def main(argv: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(description="Remove what a killed `dvc repro` left half done.").parse_args(argv)
    unlock()


if __name__ == "__main__":
    run_script(main)
