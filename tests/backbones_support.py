"""Tiny backbones of every family, for tests."""

import os
from pathlib import Path

import pytest
import torch

from tradeoff.backbones import build
from tradeoff.seals import sums, write_sealed

NORMALISATION = {"mean": [0.5, 0.4, 0.3], "std": [0.5, 0.25, 0.2]}
VIT = {"img_size": 16, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
# Family: model, arguments, image size, names of the classifier's parameters.
TINY = {
    "vit": ("vit_tiny_patch16_224", VIT, 16, "head."),
    "clip_vit": ("vit_base_patch16_clip_224", VIT, 16, "head."),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {
            "img_size": 32,
            "patch_size": 2,
            "window_size": 4,
            "embed_dim": 16,
            "depths": (2, 1),
            "num_heads": (2, 2),
        },
        32,
        "head.fc.",
    ),
    "convnext": (
        "convnext_tiny",
        {"depths": (1, 1, 1, 1), "dims": (8, 8, 16, 16), "ls_init_value": 0.5},
        32,
        "head.fc.",
    ),
    "resnet": ("resnet50", {"layers": (1, 1, 1, 1), "channels": (4, 4, 8, 8)}, 32, "fc."),
    "mobilenet": ("mobilenetv2_035", {}, 32, "classifier."),
}


def spec(family):
    """The section of params of a tiny backbone."""
    model, arguments, size, _ = TINY[family]
    return {"model": model, "arguments": arguments, "image_size": size, **NORMALISATION}


def tiny(family, classes=5, seed=0):
    """A tiny backbone of a family, in eval mode."""
    return build(spec(family), classes, seed, None)


def images(family, count=4, seed=0):
    """Random images in [0, 1] of the size that a tiny backbone takes."""
    size = TINY[family][2]
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def randomise(parameters, seed=0, scale=0.1):
    """Move parameters by normal noise, so that nothing is at an initialisation that hides mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))


def mirror():
    """The folder with datasets and weights, or skip."""
    folder = Path(os.environ.get("TRADEOFF_MIRROR") or Path(__file__).parents[2] / "shared" / "mirror")
    if not folder.is_dir():
        pytest.skip(f"no mirror folder at {folder} (TRADEOFF_MIRROR)")
    return folder


def seal_weights(weights):
    """Write the record that weights in a backbone's folder have beside them."""
    write_sealed(weights.with_name("backbone.json"), {"sha256": sums(weights.parent, [weights.name])})
