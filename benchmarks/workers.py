"""Measurements in processes of their own, by programs that are imported once.

A worker is a script that calls `serve`; `Worker` is the other end of its pipe. The worker forks for every request
after its imports, so that a measurement starts at once and yet has its own memory, and its own peak of it. Linux.
"""

import json
import os
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

MIB = 2**20
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Worker:
    """A running worker. command: what starts it; threads: what it, and its libraries, may use."""

    def __init__(self, command: Sequence[str], threads: int) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | dict.fromkeys(THREADS, str(threads)),
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request; RuntimeError when the measurement fails (the worker says why)."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"no answer to {request}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def serve(measure: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer the requests on stdin, one JSON line each, until it ends."""
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever the libraries print is not an answer
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _answer(measure, json.loads(line), answers)
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(1)


def _answer(
    measure: Callable[[dict[str, Any]], dict[str, Any]], request: dict[str, Any], answers: int
) -> None:
    try:
        os.write(answers, (json.dumps(measure(request)) + "\n").encode())
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


class StepClock:
    """Wall-clock and processor time from the start of step number `first` to that of `last` (0-based)."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        self.ticks = 0
        self.wall = self.processor = 0.0

    def tick(self) -> None:
        """Say that a step starts."""
        sign = {self.first: -1, self.last: 1}.get(self.ticks, 0)
        self.wall += sign * time.perf_counter()
        self.processor += sign * time.process_time()
        self.ticks += 1

    def report(self) -> dict[str, float]:
        """Return seconds per step; for after the last step."""
        assert self.ticks > self.last
        steps = self.last - self.first
        return {"seconds": self.wall / steps, "processor_seconds": self.processor / steps}


def memory_now() -> float:
    """Return the memory that this process holds, in MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / MIB


def peak_memory() -> float:
    """Return the most memory that this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB
