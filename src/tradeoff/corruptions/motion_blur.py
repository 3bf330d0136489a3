"""Motion blur: the camera moved along a straight line.

A level is (radius, standard deviation) in pixels of the half Gaussian that fades along the line. Its angle is
drawn from -45 to 45 degrees.
"""

import math

import numpy as np
from numpy.random import Generator

from tradeoff.corruptions.base import Image, Levels

LEVELS: Levels = {
    32: ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    224: ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
}


def apply(image: Image, level: tuple[int, float], generator: Generator) -> Image:
    return streaked(image, *level, generator.uniform(-45, 45))


def streaked(image: Image, radius: int, sigma: float, degrees: float) -> Image:
    """Blur an image, or a single channel, in one direction; beyond its border its outermost pixels go on.

    A pixel becomes the mean of those 0 to 2 radius steps away, with weights exp(-step² / (2 sigma²)), each step
    to the nearest whole pixel, as ImageMagick's -motion-blur has it.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    # Halves are rounded down.
    down = np.ceil(steps * math.sin(math.radians(degrees)) - 0.5).astype(int)
    right = np.ceil(steps * math.cos(math.radians(degrees)) - 0.5).astype(int)
    far = 2 * radius + 1
    padded = np.pad(image, ((far, far), (far, far), *[(0, 0)] * (image.ndim - 2)), mode="edge")
    height, width = image.shape[:2]
    out = np.zeros_like(image)
    for weight, dy, dx in zip(weights, down, right, strict=True):
        out += weight * padded[far + dy : far + dy + height, far + dx : far + dx + width]
    return out
