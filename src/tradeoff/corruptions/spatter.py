"""Spatter: drops of water, or at the two highest severities of mud, on the lens.

A level is (mean and standard deviation of the noise that drops are made of, standard deviation of its blur in
pixels, the value below which there is no drop, a last number, "water" or "mud"). The last number is the water's
opacity, or the standard deviation of the blur of the mud's edge in pixels.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import correlate, distance_transform_edt, uniform_filter

from tradeoff.corruptions.base import Image, Levels
from tradeoff.corruptions.canny import edges
from tradeoff.corruptions.gaussian_blur import blurred

LEVELS: Levels = {
    32: (
        (0.62, 0.1, 0.7, 0.7, 0.5, "water"),
        (0.65, 0.1, 0.8, 0.7, 0.5, "water"),
        (0.65, 0.3, 1, 0.69, 0.5, "water"),
        (0.65, 0.1, 0.7, 0.69, 0.6, "mud"),
        (0.65, 0.1, 0.5, 0.68, 0.6, "mud"),
    ),
    224: (
        (0.65, 0.3, 4, 0.69, 0.6, "water"),
        (0.65, 0.3, 3, 0.68, 0.6, "water"),
        (0.65, 0.3, 2, 0.68, 0.5, "water"),
        (0.65, 0.3, 1, 0.65, 1.5, "mud"),
        (0.67, 0.4, 1, 0.65, 1.5, "mud"),
    ),
}
WATER = np.array((175, 238, 238)) / 255  # pale turquoise
MUD = np.array((63, 42, 20)) / 255
STRAIGHT, DIAGONAL, KNIGHT = 1, 1.4, 2.1969  # lengths of moves, in pixels
FAR = 20  # pixels from an edge, beyond which it makes no difference
RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])  # lit from the top left

Grey = NDArray[np.float64]


def apply(image: Image, level: tuple[float, float, float, float, float, str], generator: Generator) -> Image:
    mean, spread, smoothness, threshold, last, what = level
    drops = blurred(generator.normal(mean, spread, image.shape[:2]), smoothness)
    if what == "mud":
        cover = blurred((drops > threshold).astype(float), last)
        cover = np.where(cover < 0.8, 0, cover)[:, :, None]
        return (1 - cover) * image + cover * MUD
    shine = _shine(np.where(drops < threshold, 0, drops))
    return image + last * shine[..., None] * WATER


def _shine(drops: Grey) -> Grey:
    """How much light drops of a given thickness throw, at most 1: they are brightest off their edges."""
    grey = (drops * 255).astype(np.uint8).astype(float)
    outlines = edges(grey)
    near = np.minimum(_distances(outlines), FAR)
    # Whole numbers, rounded down as the published images' are; the little more makes up for rounding.
    even = _equalised((_box(near) + 1e-6).astype(np.uint8))
    lit = correlate(even, RELIEF, mode="mirror").clip(0, 255)
    shine = grey * np.round(_box(lit))
    return shine / max(float(shine.max()), 1)


def _box(grey: Grey) -> Grey:
    mean: Grey = uniform_filter(grey, 3, mode="mirror")
    return mean


def _distances(outlines: NDArray[np.bool_]) -> Grey:
    """How far each pixel is from the next outline, in moves of a king and a knight (Borgefors, "Distance
    transformations in digital images", Computer Vision, Graphics, and Image Processing 34, 1986)."""
    if not outlines.any():
        return np.full(outlines.shape, np.inf)
    nearest = distance_transform_edt(~outlines, return_distances=False, return_indices=True)
    offsets = np.abs(nearest - np.indices(outlines.shape))
    short, long = offsets.min(axis=0), offsets.max(axis=0)
    knights = np.minimum(short, long - short)
    straight, diagonal = (long - 2 * short).clip(0), (2 * short - long).clip(0)
    distances: Grey = STRAIGHT * straight + DIAGONAL * diagonal + KNIGHT * knights
    return distances


def _equalised(grey: NDArray[np.uint8]) -> Grey:
    """Grey levels spread so that they are about equally frequent, the lowest at 0."""
    counts = np.bincount(grey.ravel(), minlength=256)
    lowest = np.flatnonzero(counts)[0]
    others = grey.size - counts[lowest]
    if others == 0:
        return grey.astype(float)
    ranks = counts.cumsum() - counts[lowest]
    spread: Grey = np.round(ranks * (255 / others))
    return spread[grey]
