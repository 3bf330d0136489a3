"""Robust fine-tuning at a random perturbation size, another one in every epoch."""

from dataclasses import dataclass

import numpy as np

from tradeoff.objectives import base, robust


@dataclass(frozen=True, kw_only=True)
class Params(robust.Params):
    """Cross-entropy on adversarial images of a size drawn in every epoch, uniform up to the largest."""


class Objective(robust.Objective):
    """ε uniform in [0, ε_g), a function of (seed, epoch) alone."""

    def share(self, now: base.Moment) -> float:
        return float(np.random.default_rng([now.seed, now.epoch]).uniform())
