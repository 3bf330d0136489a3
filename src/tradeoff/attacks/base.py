"""What an attack is to the engine: tables of samples, and a rule that turns one iterate into the next."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from tradeoff.attacks.noise import Noise


class Table:
    """Base of dataclasses whose tensors all have one row for each sample; other fields are shared."""

    def take(self, rows: slice | Tensor) -> Self:
        """Return some rows: views for a slice, copies for indices or a mask."""
        picked = {name: tensor[rows] for name, tensor in self._tensors()}
        return replace(self, **picked)  # type: ignore[type-var]

    def _tensors(self) -> list[tuple[str, Tensor]]:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        return [(name, getattr(self, name)) for name in names if isinstance(getattr(self, name), Tensor)]


@dataclass
class Samples(Table):
    """The samples under attack.

    images: (B, 3, H, W) in [0, 1]. labels, ids: (B,) int64. clean_logits: (B, N).
    targets: (B,) int64, the class a targeted attack aims at; the label for an untargeted one.
    hints: (B, 3, H, W) int8, directions of perturbations worth trying first, 0 where none is known; or None.
    """

    images: Tensor
    labels: Tensor
    ids: Tensor
    clean_logits: Tensor
    targets: Tensor
    hints: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class State(Table):
    """What an attack remembers of each sample; x: the point to evaluate next, (B, 3, H, W)."""

    x: Tensor


@dataclass
class Evaluation(Table):
    """What the model says of the points `state.x`.

    logits: (B, N). wrong: (B,) bool, the model gives an answer (see `answers`), and it is not the label.
    loss: (B,), gradient: (B, 3, H, W) of the loss; both None for attacks that see the logits only.
    broken: (B,) bool, where answer, loss or gradient was not finite; the gradient is 0 there, and a loss that was not
    finite is −inf, so that no attack climbs to such a point or leaves the numbers.
    """

    logits: Tensor
    wrong: Tensor
    broken: Tensor
    loss: Tensor | None = None
    gradient: Tensor | None = None


@dataclass(frozen=True)
class Round:
    """One attempt on every sample that still resists.

    number: which random streams it draws from. rank: 0 untargeted; k aims at the class whose clean logit is
    the k-th largest among the wrong classes.
    """

    number: int
    rank: int = 0


class Attack(ABC):
    """An iterative attack on one ball.

    name: its registry name. norm, epsilon: the ball. evaluations: the most points a round evaluates.
    uses_gradient: whether evaluations come with gradients. any_iterate: a sample is fooled as soon as one
    evaluated point of the ball is misclassified; otherwise (`final_iterate`) only the last counts.
    inside: every point lies in the ball by construction. fewest_classes: fewer make its loss undefined.
    """

    name: str
    norm: str
    epsilon: float
    evaluations: int
    uses_gradient: bool = True
    any_iterate: bool = True
    inside: bool = True
    fewest_classes: int = 2

    def rounds(self, classes: int) -> Sequence[Round]:
        """The attempts, in order, for a model of so many classes."""
        return [Round(0)]

    def wants_gradient(self, turn: int) -> bool:
        """Say whether this evaluation has to come with gradients, in an attack that uses them; the last never does."""
        return True

    @abstractmethod
    def start(self, samples: Samples, noise: Noise) -> State:
        """Return the state that holds the first points."""

    def loss(self, logits: Tensor, samples: Samples) -> Tensor:
        """The quantity to climb, (B,); only for attacks that use gradients."""
        raise NotImplementedError

    @abstractmethod
    def update(
        self, turn: int, samples: Samples, state: State, seen: Evaluation, noise: Noise
    ) -> Tensor | None:
        """Change `state`, whose tensors are views, in place: `state.x` becomes the points of turn + 1.

        Return a mask (B,) of samples this round has nothing left to try on, or None.
        """


def overwrite(target: Tensor, mask: Tensor, value: Tensor) -> None:
    """Set the rows of `target` where `mask` (B,) holds, in place and without asking the device how many."""
    torch.where(mask.view(-1, *[1] * (target.dim() - 1)), value, target, out=target)


def answers(logits: Tensor) -> Tensor:
    """Return the class of the largest of the logits (B, N), (B,) int64; −1 where that logit is not finite.

    A model that says NaN, or overflows, has not answered: it is not right on a clean image, and not fooled at a point
    under attack. Classes masked by −inf are fine.
    """
    return torch.where(logits.amax(1).isfinite(), logits.argmax(1), -1)


def judged(
    logits: Tensor, labels: Tensor, loss: Tensor | None = None, gradient: Tensor | None = None
) -> Evaluation:
    """Return what logits, loss and gradient say, with the numbers mended that are not finite; see `Evaluation`."""
    answer = answers(logits)
    sound = answer >= 0
    if loss is not None:
        sound = sound & loss.isfinite()
        loss = loss.masked_fill(~sound, -torch.inf)
    if gradient is not None:
        sound = sound & gradient.abs().amax(dim=(1, 2, 3)).isfinite()
        gradient = gradient.masked_fill(~sound.view(-1, 1, 1, 1), 0)
    return Evaluation(logits, (answer >= 0) & (answer != labels), ~sound, loss, gradient)
