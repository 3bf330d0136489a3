"""Robust fine-tuning with a scheduled perturbation size: none, then a ramp, then the largest.

Ngnawé et al., Robust Fine-Tuning from Non-Robust Pretrained Models: Mitigating Suboptimal Transfer with
Epsilon-Scheduling (ICLR 2026).
"""

from dataclasses import dataclass

from tradeoff.objectives import base, robust
from tradeoff.params.fields import REQUIRED, param
from tradeoff.schedules import epsilon_share, in_epochs


@dataclass(frozen=True, kw_only=True)
class Params(robust.Params):
    """Cross-entropy on clean images before T1, on ever more adversarial ones to T2, then at the largest size."""

    t1: float = param(
        REQUIRED, "T1, start of the ramp: a share of all epochs up to 1 (1: the end), epochs above", minimum=0
    )
    t2: float = param(
        REQUIRED, "T2, end of the ramp: a share of all epochs up to 1 (1: the end), epochs above", minimum=0
    )


class Objective(robust.Objective):
    """ε = α(t)·ε_g in epoch t = 0, 1, …"""

    params: Params

    def share(self, now: base.Moment) -> float:
        start, end = (in_epochs(stated, now.epochs) for stated in (self.params.t1, self.params.t2))
        return epsilon_share(now.epoch, start, end)
