"""What an objective adds to a training step: a line here for each objective that attacks its images."""

from collections.abc import Callable
from typing import Any

Params = dict[str, Any]


def inner_steps(family: str, params: Params, epochs: float) -> float:
    """Return the attack's steps for each training image, averaged over a run of so many epochs.

    Each costs a forward pass and the gradient of the image; the last point is only looked at, for half of that.
    0 for an objective that attacks nothing.
    """
    share = ATTACKING.get(family, lambda _params, _epochs: 0.0)(params, epochs)
    return float(share) * (int(params.get("steps", STEPS)) + 0.5)


def _scheduled(params: Params, epochs: float) -> float:
    return _from(float(params.get("t1", 0.25)), epochs)


def _from(start: float, epochs: float) -> float:
    """The share of epochs from `start` on, which up to 1 is itself a share of all epochs."""
    return 1 - min(1.0, start if start <= 1 else start / epochs)


STEPS = 7  # of the attack, where params do not say
# The share of the epochs that attack, by objective; those that are not here attack nothing.
ATTACKING: dict[str, Callable[[Params, float], float]] = {
    "rft_fix": lambda params, epochs: 1.0,
    "rft_warmup": lambda params, epochs: 1.0,
    "rft_uniform": lambda params, epochs: 1.0,
    "rft_sched": _scheduled,
    "rft_switch": lambda params, epochs: _from(float(params["at"]), epochs),
    # ASSUME: its ramp starts by itself, halfway.
    "rft_auto": lambda params, epochs: 0.5,
    "trades": lambda params, epochs: 1.0,
}
# TRADES trains on the clean image and on the attacked one.
PASSES = {"trades": 2}
