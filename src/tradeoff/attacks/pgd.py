"""PGD: projected gradient ascent (Madry et al., ICLR 2018), in linf and l2, with restarts and targets."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from tradeoff.attacks import balls, losses
from tradeoff.attacks.base import Attack, Evaluation, Round, Samples, State
from tradeoff.attacks.noise import Noise
from tradeoff.params.fields import param

CRITERIA = ["any_iterate", "final_iterate"]


@dataclass(frozen=True)
class Params:
    """Projected gradient descent with a fixed step."""

    steps: int = param(15, "gradient steps", minimum=1, maximum=30_000)
    relative_step: float = param(0.25, "step size as a share of epsilon", exclusiveMinimum=0)
    step_size: float | None = param(
        None, "step size on pixels in [0, 1], instead of a share", exclusiveMinimum=0
    )
    random_start: bool = param(True, "start anywhere in the ball; otherwise at the clean image")
    restarts: int = param(1, "attempts with different random starts", minimum=1)
    loss: str = param(
        "ce", "what to climb: cross-entropy or difference of logits ratio", enum=list(losses.LOSSES)
    )
    targets: int = param(
        0, "0: away from the label; k: towards each of the k likeliest wrong classes", minimum=0
    )
    criterion: str = param("any_iterate", "which iterates count", enum=CRITERIA)


def attacks(params: Params, norm: str, epsilon: float) -> list[Attack]:
    return [Pgd(params, norm, epsilon)]


class Pgd(Attack):
    """x0 uniform in the ball; x(k+1) = project(x(k) + step · direction of the gradient)."""

    name = "pgd"

    def __init__(self, params: Params, norm: str, epsilon: float) -> None:
        self.norm, self.epsilon, self.params = norm, epsilon, params
        self.step_size = params.relative_step * epsilon if params.step_size is None else params.step_size
        self.climbs = (losses.TARGETED if params.targets else losses.LOSSES)[params.loss]
        self.fewest_classes = losses.FEWEST_CLASSES[self.climbs]
        self.evaluations = params.steps + 1
        self.any_iterate = params.criterion == "any_iterate"

    def rounds(self, classes: int) -> Sequence[Round]:
        return rounds(self.params.restarts, self.params.targets, classes)

    def start(self, samples: Samples, noise: Noise) -> State:
        if not self.params.random_start:
            return State(samples.images.clone())
        return State(balls.uniform_in_ball(samples.images, samples.ids, self.epsilon, self.norm, noise))

    def loss(self, logits: Tensor, samples: Samples) -> Tensor:
        return self.climbs(logits, samples.labels, samples.targets)

    def update(self, turn: int, samples: Samples, state: State, seen: Evaluation, noise: Noise) -> None:
        assert seen.gradient is not None
        step = balls.direction(seen.gradient, self.norm).mul_(self.step_size)
        state.x.copy_(balls.project(step.add_(state.x), samples.images, self.epsilon, self.norm))


def rounds(restarts: int, targets: int, classes: int) -> list[Round]:
    """Every restart of every target, the likeliest target first; untargeted without targets."""
    ranks = range(1, min(targets, classes - 1) + 1) if targets else [0]
    pairs = [(rank, restart) for rank in ranks for restart in range(restarts)]
    return [Round(number, rank) for number, (rank, _) in enumerate(pairs)]
