"""Locks of the kernel: one process at a time works on something, and a killed one leaves nothing locked.

They end with the process that holds them, however it ends, and hold between machines wherever the shared file
system passes such locks on; NFS does so for files, not for folders.
"""

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNKNOWN = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def sole_worker(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Let one process at a time work on a file or folder; a second waits until the first has ended, however it did.

    A job whose workflow was killed goes on by itself: its successor has to wait for it. The lock is a file beside
    `path`. shared: let others that say so too work on it at the same time.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    descriptor = open_lock(path.with_name(f".{path.name}.lock"))
    try:
        if take_lock(descriptor, kind) is False:
            print(f"waiting for another process that works on {path}", flush=True)
            take_lock(descriptor, kind, wait=True)
        yield
    finally:
        os.close(descriptor)


def open_lock(file: Path) -> int:
    """Return a descriptor of a file to lock, which other users of the folder can lock as well."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    if os.fstat(descriptor).st_uid == os.geteuid():
        os.fchmod(descriptor, 0o666)  # whatever our umask
    return descriptor


def take_lock(descriptor: int, kind: int, *, wait: bool = False) -> bool | None:
    """Lock an open file, LOCK_SH or LOCK_EX, until it is closed; False when another process keeps it from us.

    wait: until no other process does.
    None, and a warning, where the file system knows no locks: there nobody can be kept from anything.
    """
    try:
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise
        print("this file system knows no locks: let only one workflow at a time work here", file=sys.stderr)
        return None
    return True
