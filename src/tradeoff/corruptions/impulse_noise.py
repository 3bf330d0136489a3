"""Impulse noise, salt and pepper: values stuck at 0 or 1. A level is the share of values hit, each channel's own."""

import numpy as np
from numpy.random import Generator

from tradeoff.corruptions.base import Image, Levels

LEVELS: Levels = {32: (0.01, 0.02, 0.03, 0.05, 0.07), 224: (0.03, 0.06, 0.09, 0.17, 0.27)}


def apply(image: Image, level: float, generator: Generator) -> Image:
    hit = generator.random(image.shape) < level
    stuck = generator.random(image.shape) < 0.5
    return np.where(hit, stuck, image)
