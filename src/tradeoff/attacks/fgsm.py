"""FGSM: one step of size epsilon from the clean image (Goodfellow, Shlens and Szegedy, ICLR 2015)."""

from dataclasses import dataclass

from tradeoff.attacks import losses, pgd
from tradeoff.attacks.base import Attack
from tradeoff.params.fields import param


@dataclass(frozen=True)
class Params:
    """One gradient step to the border of the ball."""

    loss: str = param(
        "ce", "what to climb: cross-entropy or difference of logits ratio", enum=list(losses.LOSSES)
    )


def attacks(params: Params, norm: str, epsilon: float) -> list[Attack]:
    one_step = pgd.Params(steps=1, relative_step=1.0, random_start=False, loss=params.loss)
    return [pgd.Pgd(one_step, norm, epsilon)]
