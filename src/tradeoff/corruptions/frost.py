"""Frost: ice crystals over the image. A level is (share of the image, share of the ice).

The published images overlay crops of five photographs of frost. These are not ours to pass on, so the ice here
is made: needles in several directions over a cloudy ground, in the mean colours and contrasts of such
photographs. Accuracy under frost is therefore comparable within this project, not with published numbers.
"""

import numpy as np
from numpy.random import Generator

from tradeoff.corruptions.base import SMALL_UP_TO, Image, Levels
from tradeoff.corruptions.gaussian_blur import blurred
from tradeoff.corruptions.motion_blur import streaked
from tradeoff.corruptions.plasma import plasma

LEVELS: Levels = {
    32: ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    224: ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
}
# Mean RGB of a kind of ice, and its standard deviation.
ICES = (
    ((0.30, 0.58, 0.65), 0.08),
    ((0.79, 0.81, 0.84), 0.09),
    ((0.79, 0.81, 0.84), 0.09),
    ((0.54, 0.60, 0.65), 0.11),
    ((0.44, 0.48, 0.53), 0.17),
)
DIRECTIONS = 5


def apply(image: Image, level: tuple[float, float], generator: Generator) -> Image:
    left, thickness = level
    return left * image + thickness * ice(image.shape[0], generator)


def ice(size: int, generator: Generator) -> Image:
    """Return a texture (size, size, 3) of ice in [0, 1]; small images see it from five times as far."""
    colour, contrast = ICES[generator.integers(len(ICES))]
    radius, width = (2, 0) if size <= SMALL_UP_TO else (10, 0.5)
    border = 2 * radius + 1  # beyond which a needle's pixels were never those of the border
    relief = 5 * plasma(size, 1.5, generator)
    for _ in range(DIRECTIONS):
        grains = blurred(generator.normal(size=(size + 2 * border, size + 2 * border)), width)
        needles = streaked(grains, radius, radius, generator.uniform(0, 360))
        needles = needles[border:-border, border:-border]
        # Each direction has regions of its own.
        relief += needles / needles.std() * plasma(size, 1.7, generator) ** 2
    relief = (relief - relief.mean()) / relief.std()
    texture: Image = np.array(colour) + contrast * relief[..., None]
    return texture.clip(0, 1)
