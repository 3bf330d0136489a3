"""Remove Snakemake's lock when the process that took it is gone (it was killed, or the machine went down).

    python -m workflow_scripts.unlock

make calls it before a run; the Snakefile records the owner at start (`claim`). A lock whose owner lives, or
runs on another host, or is unknown, stays: Snakemake then says what to do.
"""

import argparse
import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path

import psutil

from tradeoff.script import run_script

OWNER = Path(".snakemake/owner.json")
LOCKS = Path(".snakemake/locks")


def claim() -> None:
    """Record that this process holds Snakemake's lock."""
    pid = os.getpid()
    OWNER.parent.mkdir(exist_ok=True)
    OWNER.write_text(json.dumps({"host": socket.gethostname(), "pid": pid, "started": _started(pid)}))


def unlock() -> None:
    """Remove the lock if its owner ran on this host and is gone."""
    try:
        owner = json.loads(OWNER.read_text())
        ours = owner["host"] == socket.gethostname()
        alive = owner["started"] == _started(owner["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if ours and not alive and LOCKS.is_dir():
        for lock in LOCKS.iterdir():
            lock.unlink()
            print(f"removed the lock of process {owner['pid']}, which is gone")


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
