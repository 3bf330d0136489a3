"""When snapshots are taken, and how the learning rate and the perturbation size move. Pure functions."""

import math
from collections.abc import Mapping, Sequence


def probe_steps(schedule: Sequence[Mapping[str, int]], total: int) -> list[int]:
    """Return the steps at which snapshots are taken, rising, 0 and `total` among them.

    schedule: entries {until, every}; each covers the steps above the entry before it, up to `until`
    (the last entry may go without, and then reaches to the end). Within an entry, multiples of `every`
    counted from the entry's start.
    """
    steps = {0, total}
    start = 0
    for entry in schedule:
        until = min(entry.get("until", total), total)
        steps.update(range(start + entry["every"], until + 1, entry["every"]))
        start = until
    return sorted(steps)


def kept_steps(steps: Sequence[int], keep: str | Mapping[str, int]) -> list[int]:
    """Return those of the scheduled steps (rising) whose snapshots are kept, which is where probes look.

    keep: `all`; `last`; or {every: n}, each n-th scheduled step from the first, and the last.
    """
    if keep == "all":
        return list(steps)
    if isinstance(keep, str):
        return [steps[-1]]
    return sorted({*steps[:: keep["every"]], steps[-1]})


def learning_rate(step: int, total: int, peak: float, schedule: str, warmup: float) -> float:
    """Return the learning rate of update number `step` (0-based) of `total`.

    Linear warm-up from peak/(n+1) over n = `warmup` steps (a share of `total` when at most 1), then constant,
    linear decay to 0, or half a cosine to 0 (Loshchilov and Hutter 2017, without restarts).
    """
    warmup_steps = round(warmup * total) if warmup <= 1 else int(warmup)
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / max(1, total - warmup_steps)
    if schedule == "constant":
        return peak
    if schedule == "linear":
        return peak * (1 - progress)
    if schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * progress))
    raise ValueError(f"unknown schedule {schedule!r}")


def total_steps(epochs: float, images: int, batch_size: int) -> int:
    """Return the number of updates in `epochs` passes; the last, smaller batch of a pass counts."""
    return max(1, round(epochs * math.ceil(images / batch_size)))


def epsilon_share(epoch: float, start: float, end: float) -> float:
    """Return α(t), the share of the largest perturbation size in force at epoch t.

    0 before T1 = `start`, 1 from T2 = `end` on, linear between (Ngnawé et al., ICLR 2026). With both 0 it is
    always 1, with `start` 0 a linear warm-up, with both equal a hard switch.
    """
    if epoch < start:
        return 0.0
    return 1.0 if epoch >= end else (epoch - start) / (end - start)


def in_epochs(stated: float, epochs: float) -> float:
    """Return a time of params in epochs: a share of all epochs when at most 1, rounded down to whole ones.

    So 25% and 75% of 50 epochs are 12 and 37, as published.
    """
    return math.floor(stated * epochs + 1e-9) if stated <= 1 else stated
