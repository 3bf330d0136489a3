"""Gaussian blur. A level is the standard deviation in pixels."""

from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from tradeoff.corruptions.base import Image, Levels

LEVELS: Levels = {32: (0.4, 0.6, 0.7, 0.8, 1), 224: (1, 2, 3, 4, 6)}


def apply(image: Image, level: float, generator: Generator) -> Image:
    return blurred(image, level)


def blurred(image: Image, sigma: float) -> Image:
    """Blur an image, or a single channel, by a Gaussian; beyond its border its outermost pixels go on."""
    result: Image = gaussian_filter(image, sigma, mode="nearest", truncate=4, axes=(0, 1))
    return result
