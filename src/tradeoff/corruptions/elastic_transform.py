"""Elastic transform: a random affine map, then small local displacements (Simard, Steinkraus and Platt, "Best
practices for convolutional neural networks applied to visual document analysis", ICDAR 2003).

A level is (largest local displacement before smoothing, standard deviation of the smoothing, how far corners of
the affine map move), each in units of the image's side.
"""

from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from tradeoff.corruptions.base import Image, Levels

_LARGE = (
    *((2, 0.7, 0.1), (2, 0.08, 0.2)),
    *((0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)),
)
LEVELS: Levels = {
    32: ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    # Published for 224 pixels, but in units of 244.
    224: tuple(tuple(length * 244 / 224 for length in level) for level in _LARGE),
}


def apply(image: Image, level: tuple[float, float, float], generator: Generator) -> Image:
    size = image.shape[0]
    strength, smoothness, corners = (length * size for length in level)
    rows, columns = np.mgrid[:size, :size].astype(float)
    mapped = _sampled(image, *_affine(rows, columns, corners, generator), mode="mirror")
    smooth = _smoothing(size, smoothness)
    right, down = (
        strength * (smooth @ field @ smooth.T) for field in generator.uniform(-1, 1, (2, size, size))
    )
    return _sampled(mapped, rows + down, columns + right, mode="reflect")


def _affine(
    rows: NDArray[np.float64], columns: NDArray[np.float64], most: float, generator: Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say where each pixel comes from, when three corners of a square amid the image move by up to `most`."""
    middle, side = len(rows) // 2, len(rows) // 3
    low, high = middle - side, middle + side
    before = np.array([[high, high], [high, low], [low, low]], dtype=float)  # (x, y)
    after = before + generator.uniform(-most, most, before.shape)
    # (x, y) before = (x, y, 1) after @ back
    back = np.linalg.solve(np.column_stack([after, np.ones(3)]), before)
    x, y = np.moveaxis(np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ back, -1, 0)
    return y, x


@cache
def _smoothing(size: int, sigma: float) -> NDArray[np.float64]:
    """A Gaussian blur of a line as a matrix (size, size): at sigmas as wide as the image far the fastest way."""
    matrix: NDArray[np.float64] = gaussian_filter(np.eye(size), sigma, axes=0, mode="reflect", truncate=3)
    return matrix


def _sampled(image: Image, rows: NDArray[np.float64], columns: NDArray[np.float64], mode: str) -> Image:
    """The image's values at fractional places, by linear interpolation."""
    channels = [
        map_coordinates(image[..., channel], (rows, columns), order=1, mode=mode) for channel in range(3)
    ]
    return np.stack(channels, axis=-1)
