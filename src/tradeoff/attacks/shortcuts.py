"""Two approximations that save work: giving up on hopeless samples, and starting where it worked before.

Both are off by default. Whoever turns them on has to audit them (see `tradeoff.probes.attack`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tradeoff.attacks import balls
from tradeoff.attacks.base import Samples
from tradeoff.attacks.losses import margins
from tradeoff.params.fields import param

# Over so many turns the speed of a margin is measured; with fewer, margins that pause are taken for safe.
WINDOW = 5
# Hints are kept in a byte a pixel: shares of their largest pixel in steps of 1/127.
_LEVELS = 127


@dataclass(frozen=True)
class Shortcuts:
    """Approximations that save work, audited on a random share of the samples."""

    early_accept: bool = param(
        False, "count a sample as robust as soon as its margin, extrapolated, stays positive to the last step"
    )
    safety: float = param(
        1.0, "early_accept takes margins to fall so many times as fast as they moved", exclusiveMinimum=0
    )
    warm_start: bool = param(False, "start at the perturbation that fooled an earlier snapshot, if one did")
    audit: float = param(
        0.05, "share of the samples that the exact attack is run on too", exclusiveMinimum=0, maximum=1
    )


class Outlook:
    """The latest margins of a round's samples, and whether they can still reach 0; all on the device.

    turns: the most evaluations of the round. safety: see `Shortcuts`.
    """

    def __init__(self, samples: Samples, turns: int, safety: float) -> None:
        self.turns, self.safety = turns, safety
        # (n, WINDOW + 1), the latest first.
        self.margins = samples.images.new_zeros(len(samples), WINDOW + 1)

    def stays_robust(self, turn: int, rows: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Return a mask (B,) of samples whose margin would not reach 0 if it only fell from now on.

        Its speed is the mean absolute change over the last WINDOW turns, so that a margin which swings is no
        slower than one which falls; none is judged before. rows: (B,), which of the round's samples; logits:
        (B, N) at this turn.
        """
        seen = self.margins[rows].roll(1, dims=1)
        seen[:, 0] = margins(logits, labels)
        self.margins[rows] = seen
        if turn < WINDOW:
            return torch.zeros_like(labels, dtype=torch.bool)
        speed = seen.diff(dim=1).abs().mean(dim=1)
        return seen[:, 0] > self.safety * speed * (self.turns - 1 - turn)


def warm(samples: Samples, cold: Tensor, epsilon: float, norm: str) -> Tensor:
    """Return the points to start at: a hint stretched to the border of the ball, or `cold` where there is none."""
    assert samples.hints is not None
    hinted = (samples.images + epsilon * balls.normalise(samples.hints.to(cold.dtype), norm)).clamp_(0, 1)
    return torch.where(has_hint(samples).view(-1, 1, 1, 1), hinted, cold)


def has_hint(samples: Samples) -> Tensor:
    """Return a mask (B,) of the samples with a hint."""
    if samples.hints is None:
        return torch.zeros_like(samples.labels, dtype=torch.bool)
    return samples.hints.flatten(1).any(dim=1)


def as_hints(perturbations: Tensor) -> Tensor:
    """Return the directions of perturbations (B, 3, H, W), floats, as int8; zeros stay zeros."""
    return (balls.normalise(perturbations, "linf") * _LEVELS).round_().to(torch.int8)
