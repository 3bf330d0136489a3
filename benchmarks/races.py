"""Timing of contenders that take turns."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch


def race(contenders: Mapping[str, Callable[[], Any]], repeats: int, device: torch.device) -> dict[str, Any]:
    """Let everybody run in turn, in an order that turns round from one repeat to the next.

    Return for each what it found last (`found`), the median of its seconds, and, for each `ours…` and each other,
    how many times as long the other took: median, lowest and highest of the ratios within a turn (`times`).
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    found = {}
    for repeat in range(repeats):
        for name in list(contenders)[:: -1 if repeat % 2 else 1]:
            before = clock(device)
            found[name] = contenders[name]()
            seconds[name].append(clock(device) - before)
    times = {
        mine: {
            theirs: _spread(seconds[theirs], seconds[mine]) for theirs in contenders if not is_ours(theirs)
        }
        for mine in contenders
        if is_ours(mine)
    }
    return {
        "found": found,
        "seconds": {name: statistics.median(taken) for name, taken in seconds.items()},
        "times": times,
    }


def is_ours(name: str) -> bool:
    return name.startswith("ours")


def clock(device: torch.device) -> float:
    """Seconds; on the CPU those of our threads, so that a machine which others use too disturbs them less."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def _spread(theirs: list[float], ours: list[float]) -> list[float]:
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    return [statistics.median(ratios), min(ratios), max(ratios)]
