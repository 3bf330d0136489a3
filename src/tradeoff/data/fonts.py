"""Characters drawn from the fonts that matplotlib ships, and affine variations of them."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# The text fonts among matplotlib's. Left out are symbol fonts, and fonts without plain Latin letters.
FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    "cmb10",
    "cmr10",
    "cmss10",
    "cmtt10",
)
INK = 64  # pixels of a drawn character's longer side


def draw(character: str, font: str) -> Image.Image:
    """Return a character in white on black, cropped to its ink, its longer side INK pixels (mode L)."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    typeface = ImageFont.truetype(path, 2 * INK, layout_engine=ImageFont.Layout.BASIC)
    canvas = Image.new("L", (4 * INK, 4 * INK))
    ImageDraw.Draw(canvas).text((INK, INK // 2), character, fill=255, font=typeface)
    ink = canvas.crop(canvas.getbbox())
    scale = INK / max(ink.size)
    return ink.resize(
        (max(1, round(ink.width * scale)), max(1, round(ink.height * scale))), Image.Resampling.LANCZOS
    )


def place(
    ink: Image.Image, side: int, height: float, turn: float, slant: float, shift: tuple[float, float]
) -> Image.Image:
    """Return `ink` on a black square of `side` pixels after an affine map.

    height: of its longer side, as a share of the square. turn: radians. slant: horizontal shear.
    shift: of its centre, as shares of the square.
    """
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    forward = turned @ np.array([[1.0, slant], [0.0, 1.0]]) * (height * side / INK)
    backward = np.linalg.inv(forward)
    centre = side / 2 + side * np.asarray(shift)
    start = np.array([ink.width / 2, ink.height / 2]) - backward @ centre
    coefficients = (*backward[0], start[0], *backward[1], start[1])
    return ink.transform(
        (side, side), Image.Transform.AFFINE, coefficients, resample=Image.Resampling.BILINEAR
    )
