"""JPEG compression. A level is the quality, out of 100."""

from io import BytesIO

import numpy as np
from numpy.random import Generator
from PIL import Image as Pillow

from tradeoff.corruptions.base import Image, Levels, as_bytes

LEVELS: Levels = {32: (80, 65, 58, 50, 40), 224: (25, 18, 15, 10, 7)}


def apply(image: Image, level: int, generator: Generator) -> Image:
    file = BytesIO()
    Pillow.fromarray(as_bytes(image)).save(file, "JPEG", quality=level)
    return np.asarray(Pillow.open(file)) / 255
