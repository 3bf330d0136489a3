"""Zoom blur: the camera moved towards the middle of the image. A level is (step, count) of the enlargements.

The image is averaged with itself enlarged by 1, 1 + step, ... 1 + (count - 1) step.
"""

import numpy as np
from numpy.random import Generator
from scipy.ndimage import zoom

from tradeoff.corruptions.base import Image, Levels

LEVELS: Levels = {
    32: ((0.01, 7), (0.01, 12), (0.01, 16), (0.01, 21), (0.01, 26)),
    224: ((0.01, 12), (0.01, 16), (0.02, 11), (0.02, 13), (0.03, 11)),
}


def apply(image: Image, level: tuple[float, int], generator: Generator) -> Image:
    step, count = level
    total = image.copy()
    for index in range(count):
        total += enlarged(image, 1 + index * step)
    return total / (count + 1)


def enlarged(image: Image, factor: float) -> Image:
    """Return the middle of an image, or of a single channel, enlarged to its size by linear interpolation."""
    size = image.shape[0]
    kept = int(np.ceil(size / factor))
    first = (size - kept) // 2
    middle = image[first : first + kept, first : first + kept]
    large: Image = zoom(middle, (factor, factor, *[1] * (image.ndim - 2)), order=1)
    first = (large.shape[0] - size) // 2
    return large[first : first + size, first : first + size]
