"""Snow: streaks of flakes over a whitened image.

A level is (mean and standard deviation of the noise that flakes are made of, its enlargement, the value below
which there is no flake, radius and standard deviation of their motion in pixels, share of the image left).
"""

import numpy as np
from numpy.random import Generator

from tradeoff.corruptions.base import Image, Levels, as_bytes
from tradeoff.corruptions.motion_blur import streaked
from tradeoff.corruptions.zoom_blur import enlarged

LEVELS: Levels = {
    32: (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    224: (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
}
LUMINANCE = (0.299, 0.587, 0.114)  # of ITU-R BT.601


def apply(
    image: Image, level: tuple[float, float, float, float, int, float, float], generator: Generator
) -> Image:
    mean, spread, factor, threshold, radius, sigma, left = level
    flakes = enlarged(generator.normal(mean, spread, image.shape[:2]), factor)
    flakes = _whole(np.where(flakes < threshold, 0, flakes))
    flakes = _whole(streaked(flakes, radius, sigma, generator.uniform(-135, -45)))
    grey: Image = (image @ np.array(LUMINANCE))[..., None]
    whitened = np.maximum(image, 1.5 * grey + 0.5)
    # Turned by half a circle once more: flakes that come from the other side.
    return left * image + (1 - left) * whitened + (flakes + flakes[::-1, ::-1])[..., None]


def _whole(grey: Image) -> Image:
    """The published images' flakes are in whole grey levels."""
    return as_bytes(grey) / 255
