"""One GPU for each job on a machine with several: a file lock per device, free as soon as its process ends.

Snakemake counts GPUs but hands out none. A lock belongs to the process that holds it, so a killed job leaks nothing.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

# Descriptors by lock file. Locks are held as long as these stay open: until the process ends.
_held: dict[Path, int] = {}


def take_one(devices: Sequence[str], folder: Path | None = None, wait: float = 0.5) -> int:
    """Return the index of a device that no other process holds, and hold it until this process ends.

    A process that holds one of them already gets that one again.
    devices: names that are the same for every process of the machine, such as UUIDs, whatever subset of the
    machine's devices a process sees. folder: of the lock files, one for the machine. While all are held, look
    again every `wait` seconds.
    """
    folder = folder or Path(tempfile.gettempdir()) / "tradeoff-gpus"
    _shared(folder)
    files = [folder / f"{name.replace('/', '-')}.lock" for name in devices]
    for index, file in enumerate(files):
        if file in _held:
            return index
    told = False
    while True:
        for index, file in enumerate(files):
            descriptor = _open(file)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            _held[file] = descriptor
            return index
        if not told:
            print(f"waiting for one of {len(devices)} GPUs", flush=True)
            told = True
        time.sleep(wait)


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
