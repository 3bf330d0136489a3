"""One GPU for each job on a machine with several: a file lock per device, free as soon as its process ends.

Snakemake counts GPUs but hands out none. A lock belongs to the process that holds it, so a killed job leaks nothing.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tradeoff.errors import UserError

# Descriptors by lock file. Locks are held as long as these stay open: until the process ends.
_held: dict[Path, int] = {}


def take(devices: Sequence[str], count: int = 1, folder: Path | None = None, wait: float = 0.5) -> list[int]:
    """Return the indices of `count` devices that no other process holds, and hold them until this process ends.

    A process that holds as many of them already gets those again.
    devices: names that are the same for every process of the machine, such as UUIDs, whatever subset of the
    machine's devices a process sees. folder: of the lock files, one for the machine. While too few are free, hold none,
    and look again every `wait` seconds.
    """
    if count > len(devices):
        raise UserError(
            "compute.processes", f"{count}, on a machine with {len(devices)} GPUs", "no more than GPUs"
        )
    folder = folder or Path(tempfile.gettempdir()) / "tradeoff-gpus"
    _shared(folder)
    files = [folder / f"{name.replace('/', '-')}.lock" for name in devices]
    mine = [index for index, file in enumerate(files) if file in _held]
    told = False
    while True:
        taken: list[int] = []
        for index, file in enumerate(files):
            if len(mine) + len(taken) < count and index not in mine and _hold(file):
                taken.append(index)
        if len(mine) + len(taken) >= count:
            return sorted([*mine, *taken][:count])
        for index in taken:
            os.close(_held.pop(files[index]))
        if not told:
            print(f"waiting for {count} of {len(devices)} GPUs", flush=True)
            told = True
        time.sleep(wait)


def _hold(file: Path) -> bool:
    descriptor = _open(file)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held[file] = descriptor
    return True


def _shared(folder: Path) -> None:
    """Make the folder, for every user of the machine."""
    try:
        folder.mkdir()
        folder.chmod(0o1777)
    except FileExistsError:
        pass


def _open(file: Path) -> int:
    # Opened as it is where it exists: the kernel forbids creating over another user's file in such a folder.
    try:
        return os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return os.open(file, os.O_RDONLY | os.O_CREAT, 0o644)
