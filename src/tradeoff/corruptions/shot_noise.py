"""Shot noise: photons arrive one by one. A level is the number of photons that make full brightness."""

from numpy.random import Generator

from tradeoff.corruptions.base import Image, Levels

LEVELS: Levels = {32: (500, 250, 100, 75, 50), 224: (60, 25, 12, 5, 3)}


def apply(image: Image, level: float, generator: Generator) -> Image:
    return generator.poisson(image * level) / level
