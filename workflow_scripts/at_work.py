"""Who works in this folder: a killed workflow's lock is removed, a living one is never disturbed.

Snakemake's own lock is a file, which outlives a killed process, and which any workflow that ends removes. These are
locks of the kernel (`tradeoff.locks`), which end with the process that holds them.
"""

import fcntl
import os
import socket
import sys
import time
from pathlib import Path

from tradeoff.errors import UserError
from tradeoff.locks import open_lock, take_lock

SNAKEMAKE = Path(".snakemake/locks")
OURS = Path(".snakemake/at_work")

# Held as long as these stay open: until the process ends.
_held: list[int] = []


def enter(study: str) -> bool:
    """Be known to live; whoever comes first removes the locks that dead workflows left.

    Call it before Snakemake takes its lock. False, and a warning, when another workflow makes this study's results:
    Snakemake, if it is to make any too, will find them locked. UserError when another user of this folder keeps what
    Snakemake has to write.
    """
    _check_writable()
    descriptor = open_lock(OURS / "anyone")
    if take_lock(descriptor, fcntl.LOCK_EX):  # nobody else lives
        for lock in SNAKEMAKE.glob("*.lock"):
            lock.unlink()
            print(f"removed a lock whose owner is gone: {lock}", file=sys.stderr)
    take_lock(descriptor, fcntl.LOCK_SH, wait=True)
    _held.append(descriptor)
    other = open_lock(OURS / study)
    free = take_lock(other, fcntl.LOCK_SH) is not False
    if not free:
        print(f"another workflow is at work on {study}: {_owner(other)}; do not unlock", file=sys.stderr)
    os.close(other)
    return free


def begin(study: str) -> None:
    """Be the only workflow that makes this study's results, until this process ends.

    UserError when another one does: who, where, and since when.
    """
    descriptor = open_lock(OURS / study)
    for attempt in range(20):
        if take_lock(descriptor, fcntl.LOCK_EX) is not False:
            break
        time.sleep(0.1 if attempt else 0)  # who only looks is soon gone
    else:
        raise UserError(
            f"study {study}",
            f"another workflow at work on it: {_owner(descriptor)}",
            "one at a time in this folder",
            "run the same command again when it has ended",
        )
    os.ftruncate(descriptor, 0)
    since = time.strftime("%Y-%m-%d %H:%M")
    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}, since {since}".encode(), 0)
    _held.append(descriptor)


def _check_writable() -> None:
    """Snakemake itself would show a stack trace."""
    folder = SNAKEMAKE.parent
    records = [file for name in ("metadata", "incomplete") for file in (folder / name).rglob("*")]
    for place in (Path(), folder, *folder.glob("*"), *records):
        # Another study's workflow may remove files meanwhile.
        if not os.access(place, os.W_OK) and place.exists():
            raise UserError(
                str(place.absolute()),
                "no permission to write",
                "a clone of your own, or one that its users share (docs/how-to/share-a-clone.md)",
                f"its owner may say: chmod -R g+rwX {Path().absolute()}",
            )


def _owner(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode()
