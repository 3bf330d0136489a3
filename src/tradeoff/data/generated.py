"""The form in which generated datasets hand over their images."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Generated:
    """Grey images of every split: (images, labels), images (n, H, W) uint8 and labels (n,) integers."""

    class_names: tuple[str, ...]
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
