"""Printed digits in the style of `digits`: the same ten classes in another domain.

They go through the steps by which the handwritten ones were made (Alpaydin and Kaynak 1998): a black and
white bitmap of 32 x 32 filled by the digit, reduced to the counts of ink in blocks of 4 x 4.
"""

import numpy as np
from PIL import Image

from tradeoff.data.fonts import FONTS, draw, place
from tradeoff.data.generated import Generated
from tradeoff.data.numbers import uniforms
from tradeoff.data.source import DatasetSource
from tradeoff.data.sources.digits import CLASS_NAMES, LEVELS

SOURCE = DatasetSource(
    title="Typeset digits",
    classes=10,
    licence="fonts under the Bitstream Vera, STIX (OFL) and Computer Modern licences; images free of rights",
    citation="drawn here from the fonts of matplotlib (Hunter, 2007)",
    generated=True,
)
BITMAP, BLOCK = 32, 4
VARIANTS = {"train": 6, "test": 4}  # of every digit in every font


def generate() -> Generated:
    """Return 120 training and 80 test images of each digit, in bytes from 0 to 255."""
    inks = {(digit, font): draw(digit, font) for digit in CLASS_NAMES for font in FONTS}
    return Generated(CLASS_NAMES, _split(inks, "train", 1), _split(inks, "test", 2))


def _split(
    inks: dict[tuple[str, str], Image.Image], split: str, stream: int
) -> tuple[np.ndarray, np.ndarray]:
    keys = [key for key in inks for _ in range(VARIANTS[split])]
    # ASSUME: a mild affine variation, enough that no two images of a split are equal.
    chances = uniforms(0, stream, (len(keys), 5))
    images = np.stack([_image(inks[key], row) for key, row in zip(keys, chances, strict=True)])
    return images, np.array([CLASS_NAMES.index(digit) for digit, _ in keys])


def _image(ink: Image.Image, chances: np.ndarray) -> np.ndarray:
    height = 0.88 + 0.12 * chances[0]
    turn, slant = 0.24 * (chances[1] - 0.5), 0.3 * (chances[2] - 0.5)
    across, down = 0.06 * (chances[3:] - 0.5)
    bitmap = np.asarray(place(ink, BITMAP, height, turn, slant, (across, down))) >= 128
    side = BITMAP // BLOCK
    counts = bitmap.reshape(side, BLOCK, side, BLOCK).sum(axis=(1, 3))
    image: np.ndarray = np.rint(counts * (255 / LEVELS)).astype(np.uint8)
    return image
