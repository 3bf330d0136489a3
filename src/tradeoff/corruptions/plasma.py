"""Plasma: a cloudy random field by midpoint displacement on a torus (diamond-square; Fournier, Fussell and
Carpenter, "Computer rendering of stochastic models", Communications of the ACM 25, 1982)."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tradeoff.corruptions.base import Image


def plasma(size: int, decay: float, generator: Generator) -> Image:
    """Return a field (size, size) of values in [0, 1], cut out of one whose side is a power of two.

    decay: above 1; with every halving of the distance, displacements shrink by its square.
    """
    side = 1 << (size - 1).bit_length()
    field = np.zeros((side, side))
    step, amplitude = side, 1.0
    while step >= 2:
        half = step // 2

        def displaced(mean: NDArray[np.float64], amplitude: float = amplitude) -> NDArray[np.float64]:
            return mean + generator.uniform(-amplitude, amplitude, mean.shape)

        corners = field[::step, ::step]
        right = np.roll(corners, -1, axis=1)
        below = np.roll(corners, -1, axis=0)
        opposite = np.roll(right, -1, axis=0)
        middles = displaced((corners + right + below + opposite) / 4)
        field[half::step, half::step] = middles
        field[::step, half::step] = displaced((corners + right + middles + np.roll(middles, 1, axis=0)) / 4)
        field[half::step, ::step] = displaced((corners + below + middles + np.roll(middles, 1, axis=1)) / 4)
        step, amplitude = half, amplitude / decay**2
    field -= field.min()
    field /= field.max()
    return field[:size, :size]
