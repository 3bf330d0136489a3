"""The model as attacks ask it: logits and gradients of images, in the precision and layout that params choose."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from tradeoff.attacks.base import Attack, Samples
from tradeoff.errors import UserError

PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class Compute:
    """How to run the model; changes results by rounding only.

    precision: `fp32` (the model's own), or `bf16` autocast, where every adversarial example counts only if
    the model in its own precision agrees, and the last point of a round is judged by that alone (points before it that
    fool the model in its own precision only go unseen). channels_last: memory layout for convolutions. compile: a
    backend of torch.compile, or None; shapes are dynamic, as batches shrink with the samples that are left.
    """

    batch_size: int = 64
    precision: str = "fp32"
    channels_last: bool = False
    compile: str | None = None


class Oracle:
    """The model, asked for logits or for gradients; images in, in the model's dtype and on its device.

    The weights have to be frozen (`tradeoff.attacks.frozen`), so that a backward pass is of the images alone.
    """

    def __init__(self, model: nn.Module, compute: Compute) -> None:
        weights = next(model.parameters())
        self.model, self.device, self.dtype = model, weights.device, weights.dtype
        if compute.precision not in PRECISIONS:
            raise UserError("precision", repr(compute.precision), f"one of {', '.join(PRECISIONS)}")
        if compute.precision == "bf16" and weights.dtype == torch.float64:
            raise UserError(
                "precision",
                "bf16 for a model in float64, which autocast leaves as it is",
                "fp32, the model's own",
                "or convert the model with .float()",
            )
        self.approximate = compute.precision == "bf16"
        self.layout = torch.channels_last if compute.channels_last else torch.contiguous_format
        model.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.ask: Callable[[Tensor], Tensor] = model
        self.ask_fast: Callable[[Tensor], Tensor] = model
        if compute.compile:
            self.ask = self.ask_fast = torch.compile(model, backend=compute.compile, dynamic=True)
        elif self.approximate:
            # Autocast would round the weights in every call: it remembers those of weights with gradients only.
            self.ask_fast = partial(functional_call, model, _rounded(model))

    def to_floats(self, images: np.ndarray | Tensor) -> Tensor:
        """Return images as floats in [0, 1] on the model's device, from bytes or floats."""
        x = tensor(images)
        is_bytes = x.dtype == torch.uint8
        x = x.to(self.device).to(self.dtype)
        return x / 255 if is_bytes else x

    def logits(self, x: Tensor, fast: bool = False) -> Tensor:
        """Return (B, N) logits; `fast` allows the reduced precision."""
        with torch.no_grad():
            return self._forward(x.contiguous(memory_format=self.layout), fast)

    def climb(self, made: Attack, samples: Samples, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (B, N), the attack's loss (B,) and its gradient (B, 3, H, W) at x."""
        x = x.detach().contiguous(memory_format=self.layout).requires_grad_(True)
        with torch.enable_grad():
            logits = self._forward(x, fast=True)
            loss = made.loss(logits, samples)
            (gradient,) = torch.autograd.grad(loss.sum(), x)
        return logits.detach(), loss.detach(), gradient

    def _forward(self, x: Tensor, fast: bool) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast and self.approximate):
            logits = self.ask_fast(x) if fast else self.ask(x)
        return logits.to(self.dtype)


def _rounded(model: nn.Module) -> dict[str, Tensor]:
    """Return in bf16, by name, the weights that autocast rounds to it wherever they are used."""
    return {
        f"{name}.weight": layer.weight.detach().bfloat16()
        for name, layer in model.named_modules()
        if type(layer) in (nn.Linear, nn.Conv2d)
    }


def tensor(values: np.ndarray | Tensor) -> Tensor:
    # A copy: arrays mapped from files are read-only, which tensors cannot be.
    return torch.from_numpy(np.array(values)) if isinstance(values, np.ndarray) else values
