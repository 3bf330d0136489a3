"""What images that a run does not train on say of its model: accuracy and loss, and how sure they are."""

from typing import NamedTuple

from torch import Tensor


class Validated(NamedTuple):
    """What images say of a model.

    accuracy: share in [0, 1]; loss: mean cross-entropy in nats, loss_error its standard error; n: of so many images.
    """

    accuracy: float
    loss: float
    loss_error: float
    n: float


def validated(correct: int, losses: Tensor) -> Validated:
    """Return what n images say, of which so many were classified correctly; losses: (n,) of each, n >= 1.

    loss_error is s / sqrt(n), s being the standard deviation with n - 1 below; 0 for a single image.
    """
    losses = losses.double().cpu()
    error = float(losses.std()) / len(losses) ** 0.5 if len(losses) > 1 else 0.0
    return Validated(correct / len(losses), float(losses.mean()), error, float(len(losses)))
