"""Encoded images to squares of RGB bytes."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

RESIZES = ("squash", "crop")
INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class DecodeError(Exception):
    """An image that does not decode; row: its place in the batch."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(row, reason)
        self.row, self.reason = row, reason


@dataclass(frozen=True)
class Form:
    """How images become squares: `size` pixels, resize squash or crop, interpolation bilinear or bicubic.

    squash: both sides to `size`, as P1's code does; crop: the short side to `size`, then the centre, as
    torchvision's Resize and CenterCrop do. Both antialiased where they shrink.
    """

    size: int
    resize: str
    interpolation: str = "bilinear"


def decode(images: Sequence[bytes], form: Form) -> np.ndarray:
    """Return encoded images as (n, 3, size, size) uint8 RGB.

    DecodeError for bytes that are no image, or not a whole one.
    """
    size, filter_ = form.size, INTERPOLATIONS[form.interpolation]
    squares = np.empty((len(images), 3, size, size), dtype=np.uint8)
    for row, encoded in enumerate(images):
        try:
            image = to_rgb(Image.open(io.BytesIO(encoded)))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DecodeError(row, str(error)) from None
        square = (_squash if form.resize == "squash" else _crop)(image, size, filter_)
        squares[row] = np.asarray(square).transpose(2, 0, 1)
    return squares


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an image upright and in RGB, from grey, palette, CMYK, or with an alpha channel.

    # ASSUME: transparency is dropped, not laid over a background; 16-bit grey keeps its upper byte.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode == "RGB":
        image.load()
        return image
    if image.mode.startswith("I;16") or image.mode == "I":
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    return image.convert("RGB")


def _squash(image: Image.Image, size: int, filter_: Image.Resampling) -> Image.Image:
    return image if image.size == (size, size) else image.resize((size, size), filter_)


def _crop(image: Image.Image, size: int, filter_: Image.Resampling) -> Image.Image:
    width, height = image.size
    if min(width, height) != size:
        scale = size / min(width, height)
        width, height = (size if side == min(image.size) else int(side * scale) for side in image.size)
        image = image.resize((width, height), filter_)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.crop((left, top, left + size, top + size))
