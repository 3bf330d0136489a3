"""Fog: a cloudy field over the image. A level is (its thickness, its decay; see `tradeoff.corruptions.plasma`)."""

from numpy.random import Generator

from tradeoff.corruptions.base import Image, Levels
from tradeoff.corruptions.plasma import plasma

LEVELS: Levels = {
    32: ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    224: ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
}


def apply(image: Image, level: tuple[float, float], generator: Generator) -> Image:
    thickness, decay = level
    brightest = float(image.max())
    foggy = image + thickness * plasma(image.shape[0], decay, generator)[..., None]
    return foggy * brightest / (brightest + thickness)
