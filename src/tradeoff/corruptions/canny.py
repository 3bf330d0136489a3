"""Canny's edge detector (IEEE Transactions on Pattern Analysis and Machine Intelligence 8, 1986)."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, sobel

# Grey levels of gradient from which an edge goes on, and from which one begins.
GOES_ON, BEGINS = 50, 150


def edges(grey: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say where the edges of an image (H, W) of grey levels 0 to 255 are.

    It is not smoothed first, and its gradient's length is taken as |x| + |y|.
    """
    x, y = sobel(grey, axis=1, mode="nearest"), sobel(grey, axis=0, mode="nearest")
    length = np.abs(x) + np.abs(y)
    candidates = _ridges(x, y, length) & (length > GOES_ON)
    regions, _ = label(candidates, structure=np.ones((3, 3)))
    begun = np.unique(regions[candidates & (length > BEGINS)])
    found: NDArray[np.bool_] = np.isin(regions, begun) & candidates
    return found


def _ridges(x: NDArray[np.float64], y: NDArray[np.float64], length: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say where the gradient is longer than at both neighbours that lie in its direction, of eight."""
    around = np.pad(length, 1)

    def neighbour(down: int, right: int) -> NDArray[np.float64]:
        height, width = length.shape
        return around[1 + down : 1 + down + height, 1 + right : 1 + right + width]

    # Of two equally long neighbours across or above each other, one is kept.
    across = (length > neighbour(0, -1)) & (length >= neighbour(0, 1))
    upwards = (length > neighbour(-1, 0)) & (length >= neighbour(1, 0))
    falling = (length > neighbour(-1, -1)) & (length > neighbour(1, 1))
    rising = (length > neighbour(-1, 1)) & (length > neighbour(1, -1))
    angle = np.arctan2(np.abs(y), np.abs(x))
    ridges: NDArray[np.bool_] = np.select(
        [angle < np.pi / 8, angle > 3 * np.pi / 8, x * y < 0], [across, upwards, rising], falling
    )
    return ridges
