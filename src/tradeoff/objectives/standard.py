"""Standard fine-tuning: cross-entropy on clean images."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Params:
    """Cross-entropy on clean images; nothing to choose."""


class Objective:
    needs_images = False

    def __init__(self, params: Params, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def epsilon(self, epoch: float) -> float:
        return 0.0

    def loss(
        self, model: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor, ids: Tensor, step: int
    ) -> Tensor:
        """Return the mean cross-entropy; images (B, 3, H, W) in [0, 1] (or features), labels (B,)."""
        return functional.cross_entropy(model(images), labels, label_smoothing=self.label_smoothing)
