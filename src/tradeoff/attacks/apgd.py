"""APGD: projected gradient ascent that sets its own step size (Croce and Hein, ICML 2020, Algorithm 1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tradeoff.attacks import balls, losses, pgd
from tradeoff.attacks.base import Attack, Evaluation, Round, Samples, State, overwrite
from tradeoff.attacks.noise import Noise
from tradeoff.params.fields import param

MOMENTUM = 0.75
RHO = 0.75


@dataclass(frozen=True)
class Params:
    """Auto-PGD: momentum, and a step that halves when the loss stops rising."""

    steps: int = param(100, "gradient steps", minimum=1, maximum=30_000)
    restarts: int = param(1, "attempts with different random starts", minimum=1)
    loss: str = param(
        "ce", "what to climb: cross-entropy or difference of logits ratio", enum=list(losses.LOSSES)
    )
    targets: int = param(
        0, "0: away from the label; k: towards each of the k likeliest wrong classes", minimum=0
    )
    criterion: str = param("any_iterate", "which iterates count", enum=pgd.CRITERIA)


def attacks(params: Params, norm: str, epsilon: float) -> list[Attack]:
    return [Apgd(params, norm, epsilon)]


@dataclass
class Climb(State):
    """Per sample: the last point, the best one with its gradient and loss, and what the step rule looks at.

    rises counts the steps since the last check on which the loss rose.
    """

    previous_x: Tensor
    best_x: Tensor
    best_gradient: Tensor
    best_loss: Tensor
    step_size: Tensor
    previous_loss: Tensor
    rises: Tensor
    best_at_check: Tensor
    halved_at_check: Tensor


class Apgd(Attack):
    name = "apgd"

    def __init__(self, params: Params, norm: str, epsilon: float) -> None:
        self.norm, self.epsilon, self.params = norm, epsilon, params
        self.climbs = (losses.TARGETED if params.targets else losses.LOSSES)[params.loss]
        self.fewest_classes = losses.FEWEST_CLASSES[self.climbs]
        self.evaluations = params.steps + 1
        self.any_iterate = params.criterion == "any_iterate"
        self.checks = checkpoints(params.steps)

    def rounds(self, classes: int) -> Sequence[Round]:
        return pgd.rounds(self.params.restarts, self.params.targets, classes)

    def start(self, samples: Samples, noise: Noise) -> Climb:
        return self.start_at(
            balls.random_on_sphere(samples.images, samples.ids, self.epsilon, self.norm, noise)
        )

    def start_at(self, x: Tensor) -> Climb:
        """Return the state that starts at given points of the ball."""
        zeros = x.new_zeros(len(x))
        return Climb(
            x=x,
            previous_x=x.clone(),
            best_x=x.clone(),
            best_gradient=torch.zeros_like(x),
            best_loss=zeros - torch.inf,
            step_size=x.new_full((len(x), 1, 1, 1), 2 * self.epsilon),
            # The reference implementation compares the first step's loss with 0, not with the start's loss;
            # with few steps this decides the first halving, so it is kept.
            previous_loss=zeros.clone(),
            rises=zeros.clone(),
            best_at_check=zeros.clone(),
            halved_at_check=torch.ones_like(zeros, dtype=torch.bool),
        )

    def loss(self, logits: Tensor, samples: Samples) -> Tensor:
        return self.climbs(logits, samples.labels, samples.targets)

    def update(self, turn: int, samples: Samples, state: State, seen: Evaluation, noise: Noise) -> None:
        assert isinstance(state, Climb)
        assert seen.gradient is not None
        assert seen.loss is not None
        better = seen.loss > state.best_loss
        overwrite(state.best_x, better, state.x)
        overwrite(state.best_gradient, better, seen.gradient)
        overwrite(state.best_loss, better, seen.loss)
        if turn == 0:
            state.best_at_check.copy_(state.best_loss)
        else:
            state.rises.add_(seen.loss > state.previous_loss)
            state.previous_loss.copy_(seen.loss)
        x, gradient = state.x, seen.gradient
        if turn in self.checks:
            x, gradient = self._check(self.checks[turn], state, x, gradient)
        after = self._step(x, gradient, samples.images, state, momentum=MOMENTUM if turn > 0 else 1.0)
        state.previous_x.copy_(x)
        state.x.copy_(after)

    def _check(self, window: int, state: Climb, x: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Halve the step of samples that oscillate or stand still, and send them back to their best point.

        Conditions 1 and 2 of the paper, over the `window` steps since the last check.
        """
        oscillates = state.rises <= RHO * window
        stalls = ~state.halved_at_check & (state.best_at_check >= state.best_loss)
        halve = oscillates | stalls
        state.halved_at_check.copy_(halve)
        state.best_at_check.copy_(state.best_loss)
        state.rises.zero_()
        overwrite(state.step_size, halve, state.step_size / 2)
        back = halve.view(-1, 1, 1, 1)
        return torch.where(back, state.best_x, x), torch.where(back, state.best_gradient, gradient)

    def _step(self, x: Tensor, gradient: Tensor, center: Tensor, state: Climb, momentum: float) -> Tensor:
        """A projected gradient step, mixed with the movement of the last one."""
        ahead = x + state.step_size * balls.direction(gradient, self.norm)
        ahead = balls.project(ahead, center, self.epsilon, self.norm)
        mixed = x + (ahead - x) * momentum + (x - state.previous_x) * (1 - momentum)
        return balls.project(mixed, center, self.epsilon, self.norm)


def checkpoints(steps: int) -> dict[int, int]:
    """Return {turn: steps since the check before}: when the step size is judged.

    The first window is 22% of all steps. Each next one is 3% of the steps shorter than the one before, but at
    least 6%; all at least one step.
    """
    window, shortest, shrink = (max(int(share * steps), 1) for share in (0.22, 0.06, 0.03))
    checks, turn = {}, window
    while turn <= steps:
        checks[turn] = window
        window = max(window - shrink, shortest)
        turn += window
    return checks
