"""Pixelate: shrunk and enlarged again, by the mean of what a pixel covers. A level is the share shrunk to."""

import numpy as np
from numpy.random import Generator
from PIL import Image as Pillow

from tradeoff.corruptions.base import Image, Levels, as_bytes

LEVELS: Levels = {32: (0.95, 0.9, 0.85, 0.75, 0.65), 224: (0.6, 0.5, 0.4, 0.3, 0.25)}


def apply(image: Image, level: float, generator: Generator) -> Image:
    size = image.shape[0]
    small = int(size * level)
    shrunk = Pillow.fromarray(as_bytes(image)).resize((small, small), Pillow.Resampling.BOX)
    return np.asarray(shrunk.resize((size, size), Pillow.Resampling.BOX)) / 255
