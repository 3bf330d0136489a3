"""Glass blur, as through frosted glass: neighbours take each other's place between two slight blurs.

A level is (standard deviation of the blurs in pixels, largest distance of a neighbour, passes).

Every pixel in turn, from the bottom right, takes the value that a random neighbour has by then. The paper
speaks of shuffling; the published images were made this way, which leaves some values twice and some nowhere.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tradeoff.corruptions.base import Image, Levels, as_bytes
from tradeoff.corruptions.gaussian_blur import blurred

LEVELS: Levels = {
    32: ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    224: ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
}


def apply(image: Image, level: tuple[float, int, int], generator: Generator) -> Image:
    sigma, reach, passes = level
    source = _sources(image.shape[0], reach, passes, generator)
    pixels = as_bytes(blurred(image, sigma)).reshape(-1, 3) / 255
    return blurred(pixels[source].reshape(image.shape), sigma)


def _sources(size: int, reach: int, passes: int, generator: Generator) -> NDArray[np.int64]:
    """Say for each pixel, in reading order, which pixel's value it ends up with."""
    # As far from the border as a neighbour may be; offsets go from -reach to reach - 1.
    rows = np.arange(size - reach, reach, -1)
    places = (rows[:, None] * size + rows).ravel()
    source = list(range(size * size))
    for _ in range(passes):
        down, right = generator.integers(-reach, reach, (2, len(places)))
        # One after the other, since a neighbour may have been replaced before. Lists are fastest at that.
        for place, neighbour in zip(places.tolist(), (places + down * size + right).tolist(), strict=True):
            source[place] = source[neighbour]
    return np.array(source)
