"""Robust fine-tuning with a hard switch of the perturbation size: the scheduled one with T1 = T2, without a ramp."""

from dataclasses import dataclass

from tradeoff.objectives import base, robust
from tradeoff.params.fields import REQUIRED, param
from tradeoff.schedules import epsilon_share, in_epochs


@dataclass(frozen=True, kw_only=True)
class Params(robust.Params):
    """Cross-entropy on clean images before an epoch, and from then on at the largest perturbation size."""

    at: float = param(
        REQUIRED,
        "the first attacked epoch: a share of all epochs up to 1 (1: none is), epochs above",
        minimum=0,
    )


class Objective(robust.Objective):
    """ε = 0 in epoch t = 0, 1, … before `at`, ε_g from there on."""

    params: Params

    def share(self, now: base.Moment) -> float:
        at = in_epochs(self.params.at, now.epochs)
        return epsilon_share(now.epoch, at, at)
