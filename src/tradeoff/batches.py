"""Images on their way to the device."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tradeoff.data.splits import Split
from tradeoff.data.streamed import StreamedImages


def to_device(
    split: Split, rows: Any, device: torch.device, following: Any = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return images (B, 3, H, W) float32 in [0, 1], labels (B,) and ids (B,) of some rows of a split.

    following: the rows that will be asked for next, if any: where images have to be decoded, these are while the
    device works.
    """
    pixels = np.require(split.images[rows], requirements="W")  # a copy only where it is the file's own memory
    if following is not None and isinstance(split.images, StreamedImages):
        split.images.begin(following)
    images = torch.from_numpy(pixels).to(device).float().div_(255)
    labels = torch.from_numpy(split.labels[rows]).to(device)
    return images, labels, torch.from_numpy(split.ids[rows]).to(device)
