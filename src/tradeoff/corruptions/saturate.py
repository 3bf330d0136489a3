"""Saturate: the saturation of HSV changed, hue and value kept. A level is (factor, summand)."""

import numpy as np
from numpy.random import Generator

from tradeoff.corruptions.base import Image, Levels

LEVELS: Levels = {
    32: ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    224: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
}


def apply(image: Image, level: tuple[float, float], generator: Generator) -> Image:
    factor, summand = level
    value: Image = image.max(axis=2, keepdims=True)
    spread = value - image.min(axis=2, keepdims=True)
    saturation = spread / np.where(value > 0, value, 1)
    changed = (factor * saturation + summand).clip(0, 1)
    # How far each channel is below the value, of the most that any is. Grey has no hue: it counts as red.
    below = np.where(spread > 0, (value - image) / np.where(spread > 0, spread, 1), [0, 1, 1])
    saturated: Image = value * (1 - changed * below)
    return saturated
