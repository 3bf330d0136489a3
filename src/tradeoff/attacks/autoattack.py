"""AutoAttack, standard version: APGD-CE, APGD-T, FAB-T, Square, each on what the ones before left.

Croce and Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
attacks (ICML 2020): 100 steps, nine targets, 5,000 queries, one restart each.
"""

from dataclasses import dataclass

from tradeoff.attacks import apgd, fab, square
from tradeoff.attacks.base import Attack
from tradeoff.params.fields import param


@dataclass(frozen=True)
class Params:
    """The cascade APGD-CE, APGD-T, FAB-T, Square."""

    steps: int = param(100, "steps of APGD and FAB for each target", minimum=1, maximum=10_000)
    targets: int = param(9, "wrong classes that APGD-T and FAB-T aim at", minimum=1)
    queries: int = param(5000, "queries of Square", minimum=1, maximum=30_000)


def attacks(params: Params, norm: str, epsilon: float) -> list[Attack]:
    steps, targets = params.steps, params.targets
    return [
        *apgd.attacks(apgd.Params(steps=steps), norm, epsilon),
        *apgd.attacks(apgd.Params(steps=steps, loss="dlr", targets=targets), norm, epsilon),
        *fab.attacks(fab.Params(steps=steps, targets=targets), norm, epsilon),
        *square.attacks(square.Params(queries=params.queries), norm, epsilon),
    ]
