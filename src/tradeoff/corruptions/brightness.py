"""Brightness: more of the value of HSV, hue and saturation kept. A level is how much more."""

import numpy as np
from numpy.random import Generator

from tradeoff.corruptions.base import Image, Levels

LEVELS: Levels = {32: (0.05, 0.1, 0.15, 0.2, 0.3), 224: (0.1, 0.2, 0.3, 0.4, 0.5)}


def apply(image: Image, level: float, generator: Generator) -> Image:
    value: Image = image.max(axis=2, keepdims=True)
    brighter = (value + level).clip(max=1)
    # In proportion the channels keep hue and saturation; black has none, and becomes grey.
    return np.where(value > 0, image * (brighter / np.where(value > 0, value, 1)), brighter)
