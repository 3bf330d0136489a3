"""An image to corrupt, and the pixels of it that tests/corruptions_reference.json holds."""

import numpy as np

PLACES = {size: np.linspace(0, 3 * size * size - 1, 25).astype(int) for size in (32, 224)}


def made_up(size: int) -> np.ndarray:
    """An image (size, size, 3) with colours, grey, black, edges and texture."""
    y, x = np.mgrid[:size, :size] / size
    waves = [127 + 90 * np.sin(9 * x + 4 * y * channel) + 30 * np.cos(50 * x * y) for channel in range(3)]
    image = np.stack(waves, axis=-1).round().clip(0, 255).astype(np.uint8)
    image[: size // 4, : size // 4] = 128
    image[-size // 8 :, -size // 8 :] = 0
    return image
