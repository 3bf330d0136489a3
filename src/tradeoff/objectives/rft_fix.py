"""Robust fine-tuning at one perturbation size: adversarial training (Madry et al., ICLR 2018) from the first step."""

from dataclasses import dataclass

from tradeoff.objectives import robust


@dataclass(frozen=True, kw_only=True)
class Params(robust.Params):
    """Cross-entropy on adversarial images, the largest perturbation from the first step."""


class Objective(robust.Objective):
    """ε = ε_g throughout."""
