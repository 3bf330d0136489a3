"""Two approximations that save work: giving up on hopeless samples, and trying first what worked before.

Accepting early can only miss adversarial examples; a warm start can only find more, since the whole attack follows.
Both are off by default. Whoever turns them on has to audit them (see `tradeoff.probes.attack`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tradeoff.attacks import balls
from tradeoff.attacks.base import Attack, Evaluation, Samples, State
from tradeoff.attacks.losses import margins
from tradeoff.attacks.noise import Noise
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
    warm_start: bool = param(False, "try the perturbation first that fooled an earlier snapshot, if one did")
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


class Recall(Attack):
    """One look at what fooled an earlier snapshot, stretched to the border of the ball and cut to the box."""

    name = "recall"
    uses_gradient = False
    evaluations = 1

    def __init__(self, norm: str, epsilon: float) -> None:
        self.norm, self.epsilon = norm, epsilon

    def start(self, samples: Samples, noise: Noise) -> State:
        """Return those points; without a hint, the clean image, which fools nothing."""
        assert samples.hints is not None
        images = samples.images
        steps = balls.normalise(samples.hints.to(images.dtype), self.norm)
        return State((images + self.epsilon * steps).clamp_(0, 1))

    def update(self, turn: int, samples: Samples, state: State, seen: Evaluation, noise: Noise) -> None:
        """Nothing: there is one point."""


def as_hints(perturbations: Tensor) -> Tensor:
    """Return the directions of perturbations (B, 3, H, W), floats, as int8; zeros stay zeros."""
    return (balls.normalise(perturbations, "linf") * _LEVELS).round_().to(torch.int8)
