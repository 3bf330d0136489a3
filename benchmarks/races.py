"""Timing of contenders that take turns."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def race(
    model: nn.Module, contenders: Mapping[str, Callable[[], Any]], repeats: int, device: torch.device
) -> dict[str, Any]:
    """Let everybody run in turn, in an order that turns round from one repeat to the next.

    Return for each what it found last (`found`), how many passes of one image through the model it asked for, a
    forward and a backward pass counting one each (`passes`: these repeat exactly, on any machine), the median of its
    seconds, and, for each `ours…` and each other, how many times as long the other took: median, lowest and highest
    of the ratios within a turn (`times`).
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    found, passes = {}, {}
    for repeat in range(repeats):
        for name in list(contenders)[:: -1 if repeat % 2 else 1]:
            with _counted(model) as count:
                before = clock(device)
                found[name] = contenders[name]()
                seconds[name].append(clock(device) - before)
            passes[name] = sum(count)
    times = {
        mine: {
            theirs: _spread(seconds[theirs], seconds[mine]) for theirs in contenders if not is_ours(theirs)
        }
        for mine in contenders
        if is_ours(mine)
    }
    return {
        "found": found,
        "passes": passes,
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


@contextmanager
def _counted(model: nn.Module) -> Iterator[list[int]]:
    """Yield a list that gets the passes of each call of the model."""
    count: list[int] = []

    def see(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        backward = torch.is_grad_enabled() and inputs[0].requires_grad
        count.append(len(inputs[0]) * (2 if backward else 1))

    handle = model.register_forward_pre_hook(see)
    try:
        yield count
    finally:
        handle.remove()


def _spread(theirs: list[float], ours: list[float]) -> list[float]:
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    return [statistics.median(ratios), min(ratios), max(ratios)]
