"""Contrast: each channel drawn towards its mean. A level is the share of the contrast that is left."""

from numpy.random import Generator

from tradeoff.corruptions.base import Image, Levels

LEVELS: Levels = {32: (0.75, 0.5, 0.4, 0.3, 0.15), 224: (0.4, 0.3, 0.2, 0.1, 0.05)}


def apply(image: Image, level: float, generator: Generator) -> Image:
    mean: Image = image.mean(axis=(0, 1))
    return mean + level * (image - mean)
