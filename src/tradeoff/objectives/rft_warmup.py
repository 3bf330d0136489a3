"""Robust fine-tuning with a linear warm-up of the perturbation size: the scheduled one with T1 = 0."""

from dataclasses import dataclass

from tradeoff.objectives import base, robust
from tradeoff.params.fields import REQUIRED, param
from tradeoff.schedules import epsilon_share, in_epochs


@dataclass(frozen=True, kw_only=True)
class Params(robust.Params):
    """Cross-entropy on ever more adversarial images from the first epoch to T2, then at the largest size."""

    t2: float = param(
        REQUIRED, "T2, end of the ramp: a share of all epochs up to 1 (1: the end), epochs above", minimum=0
    )


class Objective(robust.Objective):
    """ε = ε_g·t/T2 in epoch t = 0, 1, … up to T2."""

    params: Params

    def share(self, now: base.Moment) -> float:
        return epsilon_share(now.epoch, 0, in_epochs(self.params.t2, now.epochs))
