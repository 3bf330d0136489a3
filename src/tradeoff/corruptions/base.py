"""What the corruptions share: how an image looks to them, and which levels of strength it gets."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# (H, H, 3) float64 RGB in [0, 1]; what a corruption returns may leave that range.
Image = NDArray[np.float64]

# By the size they were published for, 32 pixels (CIFAR-10-C) or 224 (ImageNet-C): five levels, rising.
Levels = dict[int, tuple[Any, ...]]

SMALL, LARGE = 32, 224
# ASSUME: the published levels are for 32 and 224 pixels alone; another size takes those of the nearer in ratio,
# lengths in pixels as they are.
SMALL_UP_TO = 64


def level(levels: Levels, size: int, severity: int) -> Any:
    """Return the level of a severity, 1 to 5, for images of `size` pixels."""
    return levels[SMALL if size <= SMALL_UP_TO else LARGE][severity - 1]


def as_bytes(image: Image) -> NDArray[np.uint8]:
    """Return an image in whole grey levels from 0 to 255.

    They are cut off, as those of the published images are; the little more makes up for rounding.
    """
    return (image.clip(0, 1) * 255 + 1e-6).astype(np.uint8)
