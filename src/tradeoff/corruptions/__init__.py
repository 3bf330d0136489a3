"""Common corruptions: the fifteen of ImageNet-C and the four extra. One file for each, one line of registry.

Defined by Hendrycks & Dietterich, "Benchmarking neural network robustness to common corruptions and
perturbations", ICLR 2019. A corruption's module defines `LEVELS`, five levels of strength for small and for
large images (see `tradeoff.corruptions.base`), and

    apply(image, level, generator) -> image

which corrupts one image; every random number comes from the generator. `tradeoff.corruptions.corrupt` calls it.
docs/corruptions.md says what each does and where it differs from the published images.
"""

import importlib
from types import ModuleType
from typing import Any

CORRUPTIONS: dict[str, str] = {
    "gaussian_noise": "tradeoff.corruptions.gaussian_noise",
    "shot_noise": "tradeoff.corruptions.shot_noise",
    "impulse_noise": "tradeoff.corruptions.impulse_noise",
    "defocus_blur": "tradeoff.corruptions.defocus_blur",
    "glass_blur": "tradeoff.corruptions.glass_blur",
    "motion_blur": "tradeoff.corruptions.motion_blur",
    "zoom_blur": "tradeoff.corruptions.zoom_blur",
    "snow": "tradeoff.corruptions.snow",
    "frost": "tradeoff.corruptions.frost",
    "fog": "tradeoff.corruptions.fog",
    "brightness": "tradeoff.corruptions.brightness",
    "contrast": "tradeoff.corruptions.contrast",
    "elastic_transform": "tradeoff.corruptions.elastic_transform",
    "pixelate": "tradeoff.corruptions.pixelate",
    "jpeg_compression": "tradeoff.corruptions.jpeg_compression",
    "speckle_noise": "tradeoff.corruptions.speckle_noise",
    "gaussian_blur": "tradeoff.corruptions.gaussian_blur",
    "spatter": "tradeoff.corruptions.spatter",
    "saturate": "tradeoff.corruptions.saturate",
}
# The benchmark's own fifteen; the others are kept apart, for tuning on.
COMMON = (
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
SEVERITIES = (1, 2, 3, 4, 5)


def load(name: str) -> ModuleType:
    """Return a corruption's module; KeyError when there is none of that name."""
    return importlib.import_module(CORRUPTIONS[name])


def chosen(probe: dict[str, Any]) -> list[str]:
    """Return the names of the corruptions of a corruption probe: the common ones unless it says otherwise."""
    return list(probe.get("corruptions", COMMON))
