"""Who works in this folder: a killed workflow's lock is removed, a living one is never disturbed.

Snakemake's own lock is a file, which outlives a killed process, and which any workflow that ends removes. These are
locks of the kernel: they end with the process that holds them, however it ends, and they hold between machines
wherever the shared file system passes such locks on (NFS does).
"""

import fcntl
import os
import socket
import sys
import time
from pathlib import Path

from tradeoff.errors import UserError

SNAKEMAKE = Path(".snakemake/locks")
OURS = Path(".snakemake/at_work")

# Held as long as these stay open: until the process ends.
_held: list[int] = []


def enter(study: str) -> None:
    """Be known to live; whoever comes first removes the locks that dead workflows left.

    Call it before Snakemake takes its lock. When another workflow makes this study's results, say so: Snakemake, if
    it is to make any too, will find them locked.
    """
    descriptor = _open(OURS / "anyone")
    if _take(descriptor, fcntl.LOCK_EX):  # nobody else lives
        for lock in SNAKEMAKE.glob("*.lock"):
            lock.unlink()
            print(f"removed a lock whose owner is gone: {lock}", file=sys.stderr)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _held.append(descriptor)
    other = _open(OURS / study)
    if not _take(other, fcntl.LOCK_SH):
        print(f"another workflow is at work on {study}: {_owner(other)}; do not unlock", file=sys.stderr)
    os.close(other)


def begin(study: str) -> None:
    """Be the only workflow that makes this study's results, until this process ends.

    UserError when another one does: who, where, and since when.
    """
    descriptor = _open(OURS / study)
    for attempt in range(20):
        if _take(descriptor, fcntl.LOCK_EX):
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


def _open(file: Path) -> int:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    if os.fstat(descriptor).st_uid == os.geteuid():
        os.fchmod(descriptor, 0o666)  # other users of this folder lock it too, whatever our umask
    return descriptor


def _owner(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode()


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
