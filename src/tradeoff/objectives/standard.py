"""Standard fine-tuning: cross-entropy on clean images."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional

from tradeoff.attacks.noise import Noise
from tradeoff.objectives import base


@dataclass(frozen=True)
class Params:
    """Cross-entropy on clean images; nothing to choose."""


class Objective(base.Objective):
    needs_images = False

    def loss(
        self, model: Any, images: Tensor, labels: Tensor, ids: Tensor, epsilon: float, noise: Noise
    ) -> Tensor:
        return functional.cross_entropy(model(images), labels, label_smoothing=self.label_smoothing)
