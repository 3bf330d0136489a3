"""Progress lines: how far, how fast, how long still. Few enough for a log file."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

# Seconds between two lines.
INTERVAL = 10.0


class Progress:
    """Writes a line on `stream` at most every `interval` seconds, and at the end.

    total: how many units there are; done: how many were done before (a resumed job).
    """

    def __init__(
        self, what: str, total: int, done: int = 0, interval: float = INTERVAL, stream: TextIO | None = None
    ) -> None:
        self.what, self.total, self.start_at, self.interval = what, total, done, interval
        self.stream = stream or sys.stderr
        self.started = time.monotonic()
        self.last_line = self.started

    def update(self, done: int, note: str = "") -> None:
        """Say that `done` units are done in all; `note` is the current loss or accuracy."""
        now = time.monotonic()
        if done < self.total and now - self.last_line < self.interval:
            return
        self.last_line = now
        rate = (done - self.start_at) / max(now - self.started, 1e-9)
        left = (self.total - done) / rate if rate > 0 else float("inf")
        line = f"{self.what}: {done}/{self.total}, {rate:.1f}/s, {duration(left)} left"
        print(line + (f", {note}" if note else ""), file=self.stream, flush=True)


class Watch:
    """What work deep inside a unit, such as an attack on a snapshot, asks whether to say how far it is; see `watched`.

    what: the unit, with which every line begins.
    """

    def __init__(self, what: str, interval: float = INTERVAL, stream: TextIO | None = None) -> None:
        self.what, self.interval, self.stream = what, interval, stream
        self.last_line = time.monotonic()

    def due(self) -> bool:
        """Whether the last line, or the beginning, is long enough ago."""
        return time.monotonic() - self.last_line >= self.interval

    def say(self, text: str) -> None:
        """Write a line; `due` begins to count anew."""
        self.last_line = time.monotonic()
        print(f"{self.what}: {text}", file=self.stream, flush=True)


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """While it lasts, whatever is called finds the watch by `watching`, so that no function between passes it on."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def watching() -> Watch | None:
    """The watch that somebody keeps; None where nobody does, as in training, which has lines of its own."""
    return _watch.get()


def duration(seconds: float) -> str:
    """Return seconds as 0:42, 12:05 or 3:10:00."""
    if seconds == float("inf"):
        return "unknown time"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
