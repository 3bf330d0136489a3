"""Random changes of training images: flips, colours, small rotations.

What an image gets depends on (seed, step, id) alone, so a resumed run goes on alike. Colours and rotation are those of
torchvision's `adjust_brightness`, `adjust_contrast`, `adjust_saturation` and `rotate` (bilinear), in this order, each
with its own number for every image, and computed for the whole batch at once.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from tradeoff.attacks.noise import Noise

# Luma of ITU-R BT.601, as torchvision's `rgb_to_grayscale`.
_LUMA = (0.2989, 0.587, 0.114)


def augmented(images: Tensor, ids: Tensor, settings: Mapping[str, float], noise: Noise) -> Tensor:
    """Return (B, 3, H, W) images, changed at random; those given stay as they are.

    images: in [0, 1]; ids: (B,), with which each draws its numbers from `noise`.
    settings: flip, the probability of a mirror image; brightness, contrast, saturation: x, for a factor from
    U[max(0, 1 - x), 1 + x]; rotation: r degrees, for an angle from U[-r, r], black where the image ends.
    """
    draws = noise.uniform(ids, (5,), images.dtype)
    flip, brightness, contrast, saturation, rotation = (draws[:, k].view(-1, 1, 1, 1) for k in range(5))
    out = torch.where(flip < settings["flip"], images.flip(3), images)
    if settings["brightness"]:
        out = _blended(out, torch.zeros_like(out), _factor(brightness, settings["brightness"]))
    if settings["contrast"]:
        mean = _grey(out).mean((1, 2, 3), keepdim=True)
        out = _blended(out, mean, _factor(contrast, settings["contrast"]))
    if settings["saturation"]:
        out = _blended(out, _grey(out), _factor(saturation, settings["saturation"]))
    if settings["rotation"]:
        out = _rotated(out, (2 * rotation.flatten() - 1) * settings["rotation"])
    return out


def _factor(draw: Tensor, spread: float) -> Tensor:
    low = max(0.0, 1 - spread)
    return low + draw * (1 + spread - low)


def _blended(images: Tensor, others: Tensor, share: Tensor) -> Tensor:
    """The point at `share` of the way from the others to the images, or beyond them."""
    return (share * images + (1 - share) * others).clamp(0, 1)


def _grey(images: Tensor) -> Tensor:
    return (images * images.new_tensor(_LUMA).view(3, 1, 1)).sum(1, keepdim=True)


def _rotated(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn each image about its centre, anticlockwise; pixels keep their proportions."""
    height, width = images.shape[2:]
    radians = degrees * (math.pi / 180)
    cosine, sine, zero = radians.cos(), radians.sin(), torch.zeros_like(radians)
    rows = (
        torch.stack([cosine, -sine * (height / width), zero], 1),
        torch.stack([sine * (width / height), cosine, zero], 1),
    )
    grid = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
