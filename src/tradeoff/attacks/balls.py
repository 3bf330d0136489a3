"""The sets attacks search: balls around the clean image, cut by the box [0, 1]."""

import torch
from torch import Tensor

from tradeoff.attacks.noise import Noise

NORMS = ("linf", "l2")
_TINY = 1e-12


def norm_of(x: Tensor, norm: str) -> Tensor:
    """Return each sample's norm, shape (B, 1, 1, 1), of x (B, C, H, W)."""
    if norm == "linf":
        return x.abs().amax(dim=(1, 2, 3), keepdim=True)
    return x.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()


def normalise(x: Tensor, norm: str) -> Tensor:
    """Return x scaled to norm 1, sample by sample; zeros stay zeros."""
    return x / (norm_of(x, norm) + _TINY)


def direction(gradient: Tensor, norm: str) -> Tensor:
    """Return the step of norm 1 that climbs fastest: the sign for linf, the unit vector for l2."""
    return gradient.sign() if norm == "linf" else normalise(gradient, norm)


def project(x: Tensor, center: Tensor, epsilon: float, norm: str) -> Tensor:
    """Return the nearest point of the ball around `center`, then cut to the box.

    Both (B, C, H, W). In l2 the cut can only shorten the perturbation, so the result lies in ball and box.
    """
    if norm == "linf":
        return torch.clamp(x, center - epsilon, center + epsilon).clamp_(0, 1)
    delta = x - center
    return (center + normalise(delta, norm) * norm_of(delta, norm).clamp_(max=epsilon)).clamp_(0, 1)


def uniform_in_ball(center: Tensor, ids: Tensor, epsilon: float, norm: str, noise: Noise) -> Tensor:
    """Return a point of each sample's ball, uniform by volume, cut to the box: PGD's random start."""
    shape, dtype = center.shape[1:], center.dtype
    if norm == "linf":
        return noise.uniform(ids, shape, dtype).mul_(2 * epsilon).sub_(epsilon).add_(center).clamp_(0, 1)
    radius = noise.child(1).uniform(ids, (1, 1, 1), dtype).pow_(1 / shape.numel()).mul_(epsilon)
    return normalise(noise.child(0).normal(ids, shape, dtype), norm).mul_(radius).add_(center).clamp_(0, 1)


def random_on_sphere(center: Tensor, ids: Tensor, epsilon: float, norm: str, noise: Noise) -> Tensor:
    """Return a point at distance epsilon in a random direction, cut to the box: APGD's random start.

    Croce and Hein, Reliable evaluation of adversarial robustness (ICML 2020): uniform numbers for linf,
    normal ones for l2, scaled to norm epsilon.
    """
    shape, dtype = center.shape[1:], center.dtype
    draw = noise.uniform if norm == "linf" else noise.normal
    drawn = draw(ids, shape, dtype)
    if norm == "linf":
        drawn = drawn * 2 - 1
    return (center + epsilon * normalise(drawn, norm)).clamp_(0, 1)
