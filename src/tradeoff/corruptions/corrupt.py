"""Corrupt images: each by random numbers of its own, whatever else is in the batch."""

import numpy as np
from numpy.typing import NDArray

from tradeoff import corruptions
from tradeoff.corruptions.base import as_bytes, level


def corrupt(
    images: NDArray[np.uint8], ids: NDArray[np.int64], name: str, severity: int, seed: int
) -> NDArray[np.uint8]:
    """Return the images under a corruption.

    images: (n, 3, H, H) uint8, H at least 8. ids: (n,), not negative: what a sample's random numbers depend on
    besides seed, name and severity (1 to 5). KeyError for an unknown name.
    """
    module = corruptions.load(name)
    strength = level(module.LEVELS, images.shape[-1], severity)
    out = np.empty_like(images)
    for index, (image, sample) in enumerate(zip(images, ids, strict=True)):
        generator = np.random.default_rng([seed, severity, int(sample), *name.encode()])
        pixels = image.transpose(1, 2, 0) / 255
        out[index] = as_bytes(module.apply(pixels, strength, generator)).transpose(2, 0, 1)
    return out
