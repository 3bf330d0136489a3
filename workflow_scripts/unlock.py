"""Remove Snakemake's lock when the process that took it is gone (it was killed, or the machine went down).

    python -m workflow_scripts.unlock

make calls it before a run; the Snakefile records each process that starts (`claim`). A lock is removed only when
a recorded process of this host took it and is gone, and no recorded process lives. In any other case it stays,
and Snakemake says what to do.
"""

import argparse
import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path

import psutil

from tradeoff.script import run_script

OWNERS = Path(".snakemake/owners")
LOCKS = Path(".snakemake/locks")


def claim() -> None:
    """Record that this process may hold Snakemake's lock."""
    OWNERS.mkdir(parents=True, exist_ok=True)
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}
    (OWNERS / f"{owner['host']}-{owner['pid']}.json").write_text(json.dumps(owner))


def unlock() -> None:
    """Remove the locks that dead processes of this host left, if no recorded process lives."""
    owners = {file: json.loads(file.read_text()) for file in OWNERS.glob("*.json")}
    here = {file: owner for file, owner in owners.items() if owner["host"] == socket.gethostname()}
    dead = [file for file, owner in here.items() if owner["started"] != _started(owner["pid"])]
    if not dead or len(dead) < len(owners):
        return
    # A lock is taken before its owner is recorded: a newer one belongs to a process that is just starting.
    newest = max(file.stat().st_mtime for file in dead)
    for lock in [lock for lock in LOCKS.glob("*") if lock.stat().st_mtime <= newest]:
        lock.unlink()
        print(f"removed a lock whose owner is gone: {lock}")
    for file in dead:
        file.unlink()


def _started(pid: int) -> str:
    """When a process started, so that a recycled number is not taken for the owner; empty when it is gone."""
    try:
        return str(psutil.Process(pid).create_time())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def main(argv: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(description="Remove Snakemake's lock when its owner is gone.").parse_args(argv)
    unlock()


if __name__ == "__main__":
    run_script(main)
