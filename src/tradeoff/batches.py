"""Images on their way to the device."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tradeoff.data.splits import Split


def to_device(split: Split, rows: Any, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return images (B, 3, H, W) float32 in [0, 1], labels (B,) and ids (B,) of some rows of a split."""
    pixels = np.require(split.images[rows], requirements="W")  # a copy only where it is the file's own memory
    images = torch.from_numpy(pixels).to(device).float().div_(255)
    labels = torch.from_numpy(split.labels[rows]).to(device)
    return images, labels, torch.from_numpy(split.ids[rows]).to(device)
