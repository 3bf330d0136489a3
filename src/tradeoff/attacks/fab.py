"""FAB-T: the fast adaptive boundary attack, targeted (Croce and Hein, ICML 2020, arXiv 1907.02044).

It looks for the smallest perturbation rather than for one in the ball: it steps to the linearised boundary
between the label and a target class, and, once across, moves back towards the clean image. A point counts
when it is misclassified and lies in the ball.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tradeoff.attacks import balls, losses, pgd
from tradeoff.attacks.base import Attack, Evaluation, Round, Samples, State, overwrite
from tradeoff.attacks.noise import Noise
from tradeoff.params.fields import param

# The paper's constants: largest weight of the clean image, overshoot, and step back.
ALPHA_MAX = 0.1
ETA = 1.05
BETA = 0.9
_TINY = 1e-8
# Each Newton step settles which coordinates hit a wall; a handful is typical. Whether all samples are settled is asked
# of the device once in a few steps, as it has to finish its work to answer.
_NEWTON_STEPS = 60
_ASK_EVERY = 4


@dataclass(frozen=True)
class Params:
    """Minimum-norm steps to the linearised boundary."""

    steps: int = param(100, "steps for each target", minimum=1, maximum=10_000)
    restarts: int = param(1, "attempts; those after the first start at random", minimum=1)
    targets: int = param(9, "how many of the likeliest wrong classes to aim at", minimum=1)


def attacks(params: Params, norm: str, epsilon: float) -> list[Attack]:
    return [Fab(params, norm, epsilon)]


class Fab(Attack):
    name = "fab"
    inside = False

    def __init__(self, params: Params, norm: str, epsilon: float) -> None:
        self.norm, self.epsilon, self.params = norm, epsilon, params
        # Every other evaluation asks only whether the step crossed the boundary. Nearly all do, and are moved back,
        # so a gradient there would be wasted.
        self.evaluations = 2 * params.steps

    def wants_gradient(self, turn: int) -> bool:
        return turn % 2 == 0

    def rounds(self, classes: int) -> Sequence[Round]:
        return pgd.rounds(self.params.restarts, self.params.targets, classes)

    def start(self, samples: Samples, noise: Noise) -> State:
        x = samples.images.clone()
        if noise.numbers[-1] % self.params.restarts:
            x = balls.random_on_sphere(x, samples.ids, self.epsilon / 2, self.norm, noise)
        return State(x)

    def loss(self, logits: Tensor, samples: Samples) -> Tensor:
        return losses.margin_targeted(logits, samples.labels, samples.targets)

    def update(self, turn: int, samples: Samples, state: State, seen: Evaluation, noise: Noise) -> None:
        if self.wants_gradient(turn):
            state.x.copy_(self._step(samples, state.x, seen))
        else:
            overwrite(state.x, seen.wrong, samples.images + (state.x - samples.images) * BETA)

    def _step(self, samples: Samples, x: Tensor, seen: Evaluation) -> Tensor:
        """Towards the hyperplane where target and label tie: from x and, with less weight, from the image."""
        assert seen.gradient is not None
        assert seen.loss is not None
        shift = (seen.gradient * (samples.images - x)).sum(dim=(1, 2, 3))
        both = torch.cat([x, samples.images])
        heights = torch.cat([seen.loss, seen.loss + shift])
        steps = to_hyperplane(both, seen.gradient.repeat(2, 1, 1, 1), heights, self.norm)
        from_x, from_image = steps.chunk(2)
        size_x, size_image = (balls.norm_of(d, self.norm).clamp_(min=_TINY) for d in (from_x, from_image))
        alpha = (size_x / (size_x + size_image)).clamp_(max=ALPHA_MAX)
        ahead = (x + ETA * from_x) * (1 - alpha) + (samples.images + ETA * from_image) * alpha
        return ahead.clamp_(0, 1)


def to_hyperplane(x: Tensor, normal: Tensor, value: Tensor, norm: str) -> Tensor:
    """Return the smallest step d with normal · d = −value and x + d in the box; (B, C, H, W).

    x: points of the box. normal: (B, C, H, W). value: (B,), the height of x above the plane.
    Where the box does not reach the plane, the step goes to the corner nearest to it.

    Every coordinate moves in its helpful direction by λ (linf) or λ·|normal| (l2), or to the wall of the box
    if that comes first. The height gained is concave and piecewise linear in λ, so Newton's method from λ = 0
    never overshoots, and ends on the exact solution after finitely many steps.
    """
    slope = normal.abs()
    direction = -normal.sign() * value.sign().view(-1, 1, 1, 1)
    room = torch.where(direction > 0, 1 - x, x)
    # In linf all are equally fast: those without a slope have no direction either, and gain nothing.
    speed = torch.ones((), dtype=x.dtype, device=x.device) if norm == "linf" else slope
    gain = slope * speed
    wanted = value.abs()
    reach = torch.zeros_like(wanted)
    rounding = torch.finfo(x.dtype).eps
    settled = torch.zeros((), dtype=torch.bool, device=x.device)
    for step in range(1, _NEWTON_STEPS + 1):
        moved = torch.minimum(speed * reach.view(-1, 1, 1, 1), room)
        gained = (slope * moved).sum(dim=(1, 2, 3))
        rate = (gain * (moved < room)).sum(dim=(1, 2, 3))
        # All walls reached: nothing more to gain, and the step is the way to the corner.
        more = torch.where(rate > 0, (wanted - gained) / rate, 0).clamp_(min=0)
        reach += torch.where(settled, 0, more)
        settled |= (more <= rounding * reach).all()
        if step % _ASK_EVERY == 0 and bool(settled):
            break
    return direction * torch.minimum(speed * reach.view(-1, 1, 1, 1), room)
