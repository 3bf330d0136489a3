"""Ends that come from outside: SIGTERM, which schedulers send some time before they kill; a parent that is gone."""

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.connection import wait
from types import FrameType

PR_SET_PDEATHSIG = 1  # of Linux's prctl


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether SIGTERM has come; meanwhile the signal does nothing else.

    Only for the main thread of a process.
    """
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGTERM, before)


def end_with_parent() -> None:
    """Let this worker of a process pool end when the process that started it does, even if that is killed.

    Of itself it would wait for work for ever.
    """
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def die_with(pid: int) -> None:
    """Let this process be killed when its parent, the process `pid`, ends, however that ends. Linux only."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != pid:  # it ended before
        os._exit(1)
