"""Printed letters, an upstream dataset: 37 classes, many fonts, random affine maps, blur and noise."""

import numpy as np
from PIL import Image

from tradeoff.data.fonts import FONTS, draw, place
from tradeoff.data.generated import Generated
from tradeoff.data.numbers import hashes, uniforms
from tradeoff.data.source import DatasetSource

SOURCE = DatasetSource(
    title="Glyphs",
    classes=37,
    images={"train": 12_025, "test": 2_035},
    megabytes=6,
    licence="fonts under the Bitstream Vera, STIX (OFL) and Computer Modern licences; images free of rights",
    citation="drawn here from the fonts of matplotlib (Hunter, 2007)",
    generated=True,
)
# ASSUME: capitals, and those small letters whose shape is not a capital's, as in EMNIST "balanced"
# (Cohen et al. 2017); the size of a letter is random here, so that c and C could not be told apart.
CLASS_NAMES = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")
SIDE, OVERSAMPLING = 16, 3
SIZES = {"train": 12_025, "test": 2_035}  # multiples of 37: every class as often


def generate() -> Generated:
    """Return the two splits, white on black, in bytes from 0 to 255."""
    inks = [[draw(letter, font) for font in FONTS] for letter in CLASS_NAMES]
    return Generated(CLASS_NAMES, _split(inks, "train", 1), _split(inks, "test", 2))


def _split(inks: list[list[Image.Image]], split: str, stream: int) -> tuple[np.ndarray, np.ndarray]:
    n = SIZES[split]
    labels = np.arange(n) % len(CLASS_NAMES)
    fonts = hashes(0, 10 * stream, np.arange(n)) % np.uint64(len(FONTS))
    chances = uniforms(0, 10 * stream + 1, (n, 8))
    shapes = np.stack(
        [_shape(inks[label][font], row) for label, font, row in zip(labels, fonts, chances, strict=True)]
    )
    # ASSUME: ink between 0.6 and 1, paper up to 0.2, and noise of up to 0.08 either way.
    ink, paper = 0.6 + 0.4 * chances[:, 6], 0.2 * chances[:, 7]
    noise = 0.16 * (uniforms(0, 10 * stream + 2, shapes.shape) - 0.5)
    values = paper[:, None, None] + (ink - paper)[:, None, None] * (shapes / 255.0) + noise
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8), labels


def _shape(ink: Image.Image, chances: np.ndarray) -> np.ndarray:
    height = 0.7 + 0.3 * chances[0]
    turn, slant = 0.5 * (chances[1] - 0.5), 0.5 * (chances[2] - 0.5)
    across, down = 0.12 * (chances[3:5] - 0.5)
    large = place(ink, SIDE * OVERSAMPLING, height, turn, slant, (across, down))
    if chances[5] < 0.5:
        # ASSUME: half of them as coarse as the handwritten digits, which have 8 x 8 pixels.
        large = large.reduce(2 * OVERSAMPLING)
    return np.asarray(large.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
