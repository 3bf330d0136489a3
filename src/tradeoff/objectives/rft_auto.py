"""Robust fine-tuning whose ramp starts by itself, once the validation accuracy has settled."""

from dataclasses import dataclass

from tradeoff.objectives import base, robust
from tradeoff.params.fields import param
from tradeoff.schedules import epsilon_share


@dataclass(frozen=True, kw_only=True)
class Params(robust.Params):
    """Cross-entropy on clean images until validation accuracy settles, then on ever more adversarial ones."""

    tolerance: float = param(
        0.02, "settled when validation accuracy moved less than this ...", exclusiveMinimum=0, maximum=1
    )
    patience: int = param(5, "... over so many epochs", minimum=1)


class Objective(robust.Objective):
    """ε = α(t)·ε_g with T1 the first epoch at which accuracy has settled, and T2 the end of training.

    The last epoch t = E − 1 is thus one step of the ramp below ε_g; where accuracy never settles, ε stays 0.
    """

    params: Params

    def share(self, now: base.Moment) -> float:
        for start in range(self.params.patience + 1, now.epoch + 1):
            # ASSUME: "moved" is the range of the accuracies over the epochs, not the change from each to the next.
            window = now.accuracies[start - self.params.patience - 1 : start]
            if max(window) - min(window) < self.params.tolerance:
                return epsilon_share(now.epoch, start, now.epochs)
        return 0.0
