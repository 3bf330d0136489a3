"""Gaussian noise, as of a sensor in poor light. A level is the standard deviation."""

from numpy.random import Generator

from tradeoff.corruptions.base import Image, Levels

LEVELS: Levels = {32: (0.04, 0.06, 0.08, 0.09, 0.1), 224: (0.08, 0.12, 0.18, 0.26, 0.38)}


def apply(image: Image, level: float, generator: Generator) -> Image:
    return image + generator.normal(0, level, image.shape)
