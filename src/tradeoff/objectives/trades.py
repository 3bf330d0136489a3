"""TRADES: clean cross-entropy, and how far answers move within the ball (Zhang et al., ICML 2019, eq. 5)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tradeoff.attacks.frozen import frozen
from tradeoff.attacks.noise import Noise
from tradeoff.objectives import robust
from tradeoff.params.fields import param


@dataclass(frozen=True, kw_only=True)
class Params(robust.Params):
    """Clean cross-entropy plus beta times the divergence of adversarial answers from clean ones."""

    beta: float = param(6.0, "weight of the divergence", minimum=0)


class Objective(robust.Objective):
    """CE(f(x), y) + β·KL(f(x) ‖ f(x')) at ε_g, where x' climbs the divergence from the answer in eval mode.

    ASSUME: x' starts where the chosen attack starts, not beside the image as in the authors' code.
    """

    params: Params

    def loss(
        self, model: Any, images: Tensor, labels: Tensor, ids: Tensor, epsilon: float, noise: Noise
    ) -> Tensor:
        clean = model(images)
        loss = functional.cross_entropy(clean, labels, label_smoothing=self.label_smoothing)
        if epsilon == 0 or self.params.beta == 0:
            return loss
        with frozen(model), torch.no_grad():
            target = model(images).float()
        points = self.attacked(
            model, images, labels, ids, epsilon, noise, lambda logits: divergence(target, logits)
        )
        return loss + self.params.beta * divergence(clean, model(points)).mean()


def divergence(clean: Tensor, other: Tensor) -> Tensor:
    """Return KL(softmax(clean) ‖ softmax(other)), (B,), of logits (B, N)."""
    clean_log, other_log = functional.log_softmax(clean, 1), functional.log_softmax(other, 1)
    return functional.kl_div(other_log, clean_log, reduction="none", log_target=True).sum(1)
