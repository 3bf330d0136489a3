"""What robust objectives share: an inner attack, and cross-entropy at the points that it finds.

The perturbation size is set once an epoch, as in Ngnawé et al. (ICLR 2026), not at every step. Epochs in which it
is 0 train on clean images and cost no attack.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional

from tradeoff.attacks.balls import NORMS
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.threat import threat
from tradeoff.attacks.worst import worst_points
from tradeoff.objectives import INNER_ATTACK, INNER_ATTACKS, base
from tradeoff.params.epsilon import EXPECTED, LIMITS
from tradeoff.params.fields import REQUIRED, param


@dataclass(frozen=True, kw_only=True)
class Params:
    """The largest perturbation, and the attack that searches it during training."""

    epsilon: float = param(REQUIRED, f"{EXPECTED}: the largest perturbation, on pixels in [0, 1]", **LIMITS)
    attack: str = param(INNER_ATTACK, "how the ball is searched", enum=list(INNER_ATTACKS))
    norm: str = param("linf", "of the perturbation", enum=list(NORMS))
    steps: int = param(7, "gradient steps of the attack", minimum=1)
    relative_step: float = param(
        0.25, "step size of pgd as a share of epsilon; apgd sets its own", exclusiveMinimum=0
    )


class Objective(base.Objective):
    """Cross-entropy at the points of highest loss, at the share of ε_g that `share` says."""

    params: Params

    def share(self, now: base.Moment) -> float:
        """Return ε / ε_g during an epoch, in [0, 1]."""
        return 1.0

    def epsilon(self, now: base.Moment) -> float:
        return self.share(now) * self.params.epsilon

    def loss(
        self, model: Any, images: Tensor, labels: Tensor, ids: Tensor, epsilon: float, noise: Noise
    ) -> Tensor:
        if epsilon > 0:
            images = self.attacked(model, images, labels, ids, epsilon, noise)
        return functional.cross_entropy(model(images), labels, label_smoothing=self.label_smoothing)

    def attacked(
        self,
        model: Any,
        images: Tensor,
        labels: Tensor,
        ids: Tensor,
        epsilon: float,
        noise: Noise,
        loss: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Return each image's point of highest loss, without a graph; see `tradeoff.attacks.worst`."""
        chosen = {"attack": self.params.attack, "norm": self.params.norm, "steps": self.params.steps}
        if self.params.attack == "pgd":
            chosen["relative_step"] = self.params.relative_step
        (attack,) = threat(chosen, epsilon).attempts(classes=2)
        return worst_points(model, attack, images, labels, ids, noise, loss).points
