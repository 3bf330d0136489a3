"""Defocus blur: each point becomes a disk, its edge softened.

A level is (radius of the disk, standard deviation of the Gaussian that softens it), in pixels.
"""

from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.signal import fftconvolve

from tradeoff.corruptions.base import Image, Levels

LEVELS: Levels = {
    32: ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    224: ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
}


def apply(image: Image, level: tuple[float, float], generator: Generator) -> Image:
    kernel = _kernel(*level)
    reach = len(kernel) // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    result: Image = fftconvolve(padded, kernel[..., None], mode="valid", axes=(0, 1))
    return result


@cache
def _kernel(radius: float, softness: float) -> NDArray[np.float64]:
    """The softened disk, (k, k): on a grid 17 wide, or as wide as a larger disk needs.

    Its sum is 1, and up to 1% more where the disk reaches the border of the grid, which the published one mirrors.
    """
    reach = max(8, int(radius))
    line = np.arange(-reach, reach + 1)
    disk = (line[:, None] ** 2 + line**2 <= radius**2).astype(float)
    disk /= disk.sum()
    window = np.arange(-1, 2) if radius <= 8 else np.arange(-2, 3)
    weights = np.exp(-(window**2) / (2 * softness**2))
    weights /= weights.sum()
    softened: NDArray[np.float64] = correlate1d(
        correlate1d(disk, weights, axis=0, mode="mirror"), weights, axis=1, mode="mirror"
    )
    return softened
