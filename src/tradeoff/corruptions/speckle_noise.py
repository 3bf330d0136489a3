"""Speckle noise: Gaussian noise that grows with brightness. A level is its standard deviation at full brightness."""

from numpy.random import Generator

from tradeoff.corruptions.base import Image, Levels

LEVELS: Levels = {32: (0.06, 0.1, 0.12, 0.16, 0.2), 224: (0.15, 0.2, 0.35, 0.45, 0.6)}


def apply(image: Image, level: float, generator: Generator) -> Image:
    return image * (1 + generator.normal(0, level, image.shape))
