"""Square: random search with squares, black-box (Andriushchenko et al., ECCV 2020).

Needs logits only. Every query tries to move one square of the perturbation to the border of the ball, and
keeps what lowers the margin. Each sample draws its own squares, where published implementations share them in
a batch.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from tradeoff.attacks import balls, losses, pgd
from tradeoff.attacks.base import Attack, Evaluation, Round, Samples, State, overwrite
from tradeoff.attacks.noise import Noise
from tradeoff.params.fields import param

# The share of pixels in a square is halved after each of these queries, however many there will be.
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_TINY = 1e-12


@dataclass(frozen=True)
class Params:
    """Black-box random search."""

    queries: int = param(5000, "evaluations of the model after the first", minimum=1, maximum=30_000)
    restarts: int = param(1, "attempts with different squares", minimum=1)
    share: float = param(0.8, "share of the pixels in the first squares", exclusiveMinimum=0, maximum=1)


def attacks(params: Params, norm: str, epsilon: float) -> list[Attack]:
    return [(SquareLinf if norm == "linf" else SquareL2)(params, epsilon)]


@dataclass
class Search(State):
    """Per sample: the best point so far and its margin (label's logit − best other)."""

    best_x: Tensor
    best_margin: Tensor


class Square(Attack):
    name = "square"
    uses_gradient = False

    def __init__(self, params: Params, epsilon: float) -> None:
        self.epsilon, self.params = epsilon, params
        self.evaluations = params.queries + 1

    def rounds(self, classes: int) -> list[Round]:
        return pgd.rounds(self.params.restarts, targets=0, classes=classes)

    def start(self, samples: Samples, noise: Noise) -> Search:
        x = self.first(samples, noise)
        return Search(x, x.clone(), x.new_full((len(x),), torch.inf))

    def update(self, turn: int, samples: Samples, state: State, seen: Evaluation, noise: Noise) -> None:
        assert isinstance(state, Search)
        margin = losses.margins(seen.logits, samples.labels)
        # A misclassified point is kept as well: the margin of a tie is 0.
        better = ~seen.broken & ((margin < state.best_margin) | (margin <= 0))
        overwrite(state.best_x, better, state.x)
        overwrite(state.best_margin, better, margin)
        height, width = state.x.shape[-2:]
        side = self.side(turn, height * width, min(height, width))
        state.x.copy_(self.propose(side, samples, state, noise))

    def side(self, query: int, pixels: int, largest: int) -> int:
        """Return the side of the squares of a query."""
        halvings = sum(query > after for after in HALVINGS)
        return min(
            max(round(math.sqrt(self.params.share / 2**halvings * pixels)), self.smallest(largest)), largest
        )

    def smallest(self, largest: int) -> int:
        return 1

    @abstractmethod
    def first(self, samples: Samples, noise: Noise) -> Tensor:
        """Return the first points."""

    @abstractmethod
    def propose(self, side: int, samples: Samples, state: Search, noise: Noise) -> Tensor:
        """Return the points to try next, from the best ones."""


class SquareLinf(Square):
    norm = "linf"

    def first(self, samples: Samples, noise: Noise) -> Tensor:
        """Vertical stripes one pixel wide, each at ±epsilon in each channel."""
        channels, _, width = samples.images.shape[1:]
        stripes = noise.signs(samples.ids, (channels, 1, width), samples.images.dtype)
        return (samples.images + self.epsilon * stripes).clamp_(0, 1)

    def propose(self, side: int, samples: Samples, state: Search, noise: Noise) -> Tensor:
        """One square at ±epsilon in each channel."""
        images = samples.images
        colours = noise.child(0).signs(samples.ids, (images.shape[1], 1, 1), images.dtype)
        inside = _window(*corners(samples, side, noise.child(1)), side, images)
        return torch.where(inside, (images + self.epsilon * colours).clamp_(0, 1), state.best_x)


class SquareL2(Square):
    """In l2 a query moves the energy of one window into another, shaped as two opposite pyramids."""

    norm = "l2"

    def smallest(self, largest: int) -> int:
        return 3

    def side(self, query: int, pixels: int, largest: int) -> int:
        """Odd, so that a pyramid has a middle."""
        side = super().side(query, pixels, largest)
        return min(side + 1 - side % 2, largest)

    def first(self, samples: Samples, noise: Noise) -> Tensor:
        """A grid of five by five patterns with random signs."""
        images = samples.images
        channels, height, width = images.shape[1:]
        side = max(min(height, width) // 5, 1)
        rows, columns = height // side, width // side
        signs = noise.child(0).signs(samples.ids, (channels, rows, columns), images.dtype)
        lies = noise.child(1).uniform(samples.ids, (rows, columns), images.dtype) > 0.5
        upright = pattern(side, images)
        tiles = torch.where(lies[:, None, :, :, None, None], upright.T, upright) * signs[..., None, None]
        delta = torch.zeros_like(images)
        # ASSUME: where the grid does not fill the image, the margin is split as evenly as it can be.
        top, left = (height - rows * side) // 2, (width - columns * side) // 2
        delta[:, :, top : top + rows * side, left : left + columns * side] = tiles.permute(
            0, 1, 2, 4, 3, 5
        ).reshape(len(images), channels, rows * side, columns * side)
        return (images + self.epsilon * balls.normalise(delta, "l2")).clamp_(0, 1)

    def propose(self, side: int, samples: Samples, state: Search, noise: Noise) -> Tensor:
        images = samples.images
        channels = images.shape[1]
        delta = state.best_x - images
        into = _Cut(corners(samples, side, noise.child(0)), side)
        out_of = _Cut(corners(samples, side, noise.child(1)), side)
        signs = noise.child(2).signs(samples.ids, (channels, 1, 1), images.dtype)
        lies = noise.child(3).uniform(samples.ids, (1, 1, 1), images.dtype) > 0.5
        upright = pattern(side, images)
        old = into.read(delta)
        fresh = torch.where(lies, upright.T, upright) * signs + old / (_length(old) + _TINY)
        # The energy at hand: what the ball leaves, shared by the channels, and what both windows hold.
        unused = (self.epsilon**2 - balls.norm_of(delta, "l2").square()).clamp_(min=0)
        both = _window(*into.corner, side, images) | _window(*out_of.corner, side, images)
        held = (delta * both).square().sum(dim=(2, 3), keepdim=True)
        energy = (unused / channels + held).sqrt()
        out_of.write(delta, torch.zeros_like(old))
        into.write(delta, fresh / (_length(fresh) + _TINY) * energy)
        return (images + self.epsilon * balls.normalise(delta, "l2")).clamp_(0, 1)


def corners(samples: Samples, side: int, noise: Noise) -> tuple[Tensor, Tensor]:
    """Return the top rows and left columns of one random window in each image, each (B, 1, 1, 1) int64."""
    height, width = samples.images.shape[-2:]
    drawn = noise.uniform(samples.ids, (2,), torch.float64)
    top, left = (
        (drawn[:, axis] * max(extent - side, 1)).long().view(-1, 1, 1, 1)
        for axis, extent in enumerate((height, width))
    )
    return top, left


def pattern(side: int, like: Tensor) -> Tensor:
    """Return the (side, side) pattern of the l2 attack, of norm 1: a pyramid above its negative."""
    above, below = _pyramid(side // 2, side, like), _pyramid(side - side // 2, side, like)
    both = torch.cat([above, -below])
    return both / _length(both[None, None]).view(1, 1)


def _pyramid(height: int, width: int, like: Tensor) -> Tensor:
    """Nested rectangles around the middle, the k-th adding 1/k² (the paper's η), norm 1; (height, width)."""
    made = like.new_zeros(height, width)
    middle = (height // 2, width // 2)
    for ring in range(max(middle) + 1):
        rows = slice(max(middle[0] - ring, 0), middle[0] + ring + 1)
        columns = slice(max(middle[1] - ring, 0), middle[1] + ring + 1)
        made[rows, columns] += 1 / (ring + 1) ** 2
    length = made.square().sum().sqrt()
    return made / length if height else made


def _length(x: Tensor) -> Tensor:
    return x.square().sum(dim=(-2, -1), keepdim=True).sqrt()


def _window(top: Tensor, left: Tensor, side: int, images: Tensor) -> Tensor:
    """Return a mask (B, 1, H, W) of each image's window."""
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=images.device)[:, None]
    columns = torch.arange(width, device=images.device)
    return (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)


class _Cut:
    """Reads and writes one window of each image, each at its own place."""

    def __init__(self, corner: tuple[Tensor, Tensor], side: int) -> None:
        self.corner = corner
        offsets = torch.arange(side, device=corner[0].device)
        self.rows = corner[0] + offsets[:, None]
        self.columns = corner[1] + offsets

    def _index(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        samples = torch.arange(len(x), device=x.device).view(-1, 1, 1, 1)
        channels = torch.arange(x.shape[1], device=x.device).view(1, -1, 1, 1)
        return samples, channels, self.rows, self.columns

    def read(self, x: Tensor) -> Tensor:
        return x[self._index(x)]

    def write(self, x: Tensor, value: Tensor) -> None:
        x[self._index(x)] = value
