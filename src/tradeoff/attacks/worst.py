"""Attacks in their training form: every sample of a batch climbs to the end, and the highest point comes back.

A probe asks which samples can be fooled and drops those that are. Training wants a point for every sample, so
nothing is dropped and shapes never change.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tradeoff.attacks.base import Attack, Evaluation, Samples, State, judged, overwrite
from tradeoff.attacks.frozen import frozen
from tradeoff.attacks.noise import Noise


@dataclass(frozen=True)
class Worst:
    """points: (B, 3, H, W), of all points that the attack evaluated the one of highest loss, sample by sample.

    loss: (B,), there. fooled: (B,) bool, whether any evaluated point was misclassified; an
    answer that is not finite fools nobody (`base.answers`).
    """

    points: Tensor
    loss: Tensor
    fooled: Tensor


def worst_points(
    model: nn.Module,
    attack: Attack,
    images: Tensor,
    labels: Tensor,
    ids: Tensor,
    noise: Noise,
    loss: Callable[[Tensor], Tensor] | None = None,
) -> Worst:
    """Return the points of highest loss that an untargeted attack with gradients finds in one round.

    images: (B, 3, H, W) in [0, 1]; labels, ids: (B,) int64; noise: the streams that starts come from, so that a
    sample's point does not depend on its place in the batch.
    loss: what to climb instead of the attack's own, from logits (B, N) to (B,).

    The model is in eval mode meanwhile: BatchNorm normalises by its running statistics and leaves them alone,
    dropout drops nothing, and so the attack climbs the function that will be tested. Weights get no gradients.
    """
    samples = Samples(images, labels, ids, clean_logits=images.new_empty(len(images), 0), targets=labels)

    def climbed(logits: Tensor) -> Tensor:
        return attack.loss(logits, samples) if loss is None else loss(logits)

    with frozen(model):
        state = attack.start(samples, noise)
        points = state.x.clone()
        highest = torch.full_like(labels, -torch.inf, dtype=torch.float32)
        fooled = torch.zeros_like(labels, dtype=torch.bool)
        for turn in range(attack.evaluations):
            last = turn == attack.evaluations - 1
            seen = _evaluate(model, samples, state, climbed, gradient=not last)
            assert seen.loss is not None
            better = seen.loss > highest
            overwrite(points, better, state.x)
            overwrite(highest, better, seen.loss)
            fooled |= seen.wrong
            if not last:
                attack.update(turn, samples, state, seen, noise.child(turn))
    return Worst(points, highest, fooled)


def _evaluate(
    model: nn.Module,
    samples: Samples,
    state: State,
    climbed: Callable[[Tensor], Tensor],
    gradient: bool,
) -> Evaluation:
    with torch.set_grad_enabled(gradient):
        x = state.x.detach().requires_grad_(gradient)
        logits = model(x).float()
        loss = climbed(logits)
        slope = torch.autograd.grad(loss.sum(), x)[0] if gradient else None
    return judged(logits.detach(), samples.labels, loss.detach(), slope)
