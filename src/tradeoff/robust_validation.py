"""Robust accuracy and loss on some of the validation images, while a run trains."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from tradeoff.attacks.base import answers
from tradeoff.attacks.frozen import frozen
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.threat import Threat, threat
from tradeoff.attacks.worst import worst_points
from tradeoff.backbones import Classifier
from tradeoff.batches import to_device
from tradeoff.data.splits import Split, limited
from tradeoff.validated import Validated, validated

VALIDATION_STREAM = 2  # of the attack's starts; training draws from 1


@dataclass(frozen=True)
class RobustValidation:
    """split: the images, the same in every epoch. every: epochs between two measurements."""

    split: Split
    threat: Threat
    every: int

    def measure(self, model: Classifier, seed: int, batch_size: int) -> Validated:
        """Return robust accuracy, and the mean cross-entropy at the points of highest loss, in eval mode.

        A sample is robust when its clean image and every point of the attack are classified correctly.
        Starts are functions of (seed, sample), the same in every epoch.
        """
        robust, losses = 0, []
        for start in range(0, len(self.split.labels), batch_size):
            images, labels, ids = to_device(self.split, slice(start, start + batch_size), model.mean.device)
            (attack,) = self.threat.attempts(classes=2)
            worst = worst_points(model, attack, images, labels, ids, Noise(seed, (VALIDATION_STREAM,)))
            with frozen(model), torch.no_grad():
                right = answers(model(images)) == labels
            robust += int((right & ~worst.fooled).sum())
            losses.append(worst.loss)
        return validated(robust, torch.cat(losses))


def robust_validation(
    spec: Mapping[str, Any] | None, validation: Split, split_seed: int
) -> RobustValidation | None:
    """Return what a run's spec asks for.

    spec: {attack, steps, norm, epsilon (a number), limit, every}; None: nothing. The images are as even over the
    classes as `limit` allows.
    """
    if spec is None:
        return None
    chosen = limited(validation.ids, validation.labels, spec["limit"], split_seed)
    places = validation.ids.searchsorted(chosen)
    split = Split(validation.images[places], validation.labels[places], chosen)
    searched = threat({key: spec[key] for key in ("attack", "norm", "steps")}, spec["epsilon"])
    return RobustValidation(split, searched, spec["every"])
