"""Progress lines: how far, how fast, how long still. Few enough for a log file."""

import sys
import time
from typing import TextIO


class Progress:
    """Writes a line on `stream` at most every `interval` seconds, and at the end.

    total: how many units there are; done: how many were done before (a resumed job).
    """

    def __init__(
        self, what: str, total: int, done: int = 0, interval: float = 10.0, stream: TextIO | None = None
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
        line = f"{self.what}: {done}/{self.total}, {rate:.1f}/s, {_duration(left)} left"
        print(line + (f", {note}" if note else ""), file=self.stream, flush=True)


def _duration(seconds: float) -> str:
    if seconds == float("inf"):
        return "unknown time"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
