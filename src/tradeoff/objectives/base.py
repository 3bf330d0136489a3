"""What every objective is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tradeoff.attacks.noise import Noise


@dataclass(frozen=True)
class Moment:
    """The beginning of an epoch: all that a perturbation size may depend on, so that a resumed run goes on alike.

    epoch: 0-based. epochs: of the whole training, a fraction allowed. seed: the run's.
    accuracies: on the validation images, clean, at the ends of the epochs before; one for each.
    """

    epoch: int
    epochs: float
    seed: int
    accuracies: tuple[float, ...]


class Objective(ABC):
    """The loss that a strategy's parameters minimise. `Objective(params, label_smoothing)` makes one."""

    # False when the loss is a function of clean features alone, so that a strategy which freezes the backbone
    # may compute them once; the model is then the classifier, and images are features.
    needs_images = True

    def __init__(self, params: Any, label_smoothing: float = 0.0) -> None:
        self.params = params
        self.label_smoothing = label_smoothing

    def epsilon(self, now: Moment) -> float:
        """Return the perturbation size in force during an epoch; 0: clean images."""
        return 0.0

    @abstractmethod
    def loss(
        self, model: Any, images: Tensor, labels: Tensor, ids: Tensor, epsilon: float, noise: Noise
    ) -> Tensor:
        """Return the mean loss of a batch, to differentiate.

        model: from images to logits, in train mode. images: (B, 3, H, W) in [0, 1]; labels, ids: (B,).
        epsilon: what `epsilon` returned; noise: the streams of this step, from which each sample draws its own.
        """
