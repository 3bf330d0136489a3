"""Where strategies insert: projections (matrices of a block) and residual branches."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

POINTWISE = "pointwise"


class Change(nn.Module, ABC):
    """A learned change of a projection's output."""

    @abstractmethod
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the changed outputs (M, out), from inputs x (M, in) and outputs y (M, out)."""

    @abstractmethod
    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return weight (out, in) and bias (out,) of the projection that has the change built in.

        Differentiable, in the change's parameters too.
        """

    def folds(self) -> bool:
        """Say whether the folded projection computes the same now (dropout of x, say, cannot be built in)."""
        return True


class _Tuned(nn.Module):
    """A projection with changes, its children, applied in order. Keeps the names of weight and bias."""

    weight: Any
    bias: Any

    def project(self, x: Tensor) -> Tensor:
        y = functional.linear(x, self.weight.flatten(1), self.bias)
        for change in self._modules.values():
            y = cast(Change, change)(x, y)
        return y

    def folded(self) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias with all changes built in, differentiable."""
        weight, bias = self.weight.flatten(1), self.bias
        for change in self._modules.values():
            weight, bias = cast(Change, change).fold(weight, bias)
        return weight.reshape(self.weight.shape), bias

    def folds(self) -> bool:
        """Say whether a projection with the folded weight and bias computes the same now."""
        return all(cast(Change, change).folds() for change in self._modules.values())


class TunedLinear(nn.Linear, _Tuned):
    def forward(self, x: Tensor) -> Tensor:
        return self.project(x.flatten(0, -2)).view(*x.shape[:-1], -1)


class TunedConv(nn.Conv2d, _Tuned):
    """A 1x1 convolution: a projection of every position's channels."""

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride[0], :: self.stride[1]].permute(0, 2, 3, 1)
        y = self.project(x.flatten(0, -2)).view(*x.shape[:-1], -1)
        return y.permute(0, 3, 1, 2)


Tuned = TunedLinear | TunedConv


@dataclass(frozen=True)
class Projection:
    """A matrix: the module that holds it, its name there, and the parts of its output that are targets.

    parts: `q`, `k`, `v` for the fused matrix of attention, in this order and of equal size; else one.
    """

    parent: nn.Module
    name: str
    parts: tuple[str, ...]

    @property
    def layer(self) -> nn.Linear | nn.Conv2d:
        return cast(nn.Linear | nn.Conv2d, getattr(self.parent, self.name))

    @property
    def widths(self) -> tuple[int, int]:
        """Inputs, and outputs of one part."""
        out, into = self.layer.weight.shape[:2]
        return into, out // len(self.parts)


def projections(net: nn.Module) -> Iterator[Projection]:
    """Yield the matrices of attention and MLP of every block, from the input to the output.

    Of networks without such blocks (ResNet, MobileNet): every dense 1x1 convolution.
    """
    if not blocks(net):
        # ASSUME: they mix channels position by position, as an MLP does.
        yield from _pointwise(net)
    for block in blocks(net):
        if hasattr(block, "attn"):
            yield Projection(block.attn, "qkv", ("q", "k", "v"))
            yield Projection(block.attn, "proj", ("proj",))
        yield Projection(block.mlp, "fc1", ("fc1",))
        yield Projection(block.mlp, "fc2", ("fc2",))


def _pointwise(net: nn.Module) -> Iterator[Projection]:
    for parent in list(net.modules()):
        for name, layer in parent.named_children():
            if type(layer) is nn.Conv2d and layer.kernel_size == (1, 1) and layer.groups == 1:
                yield Projection(parent, name, (POINTWISE,))


def change(projection: Projection, name: str, new: Change) -> list[nn.Parameter]:
    """Let a change act on a projection, under `name`; return its parameters."""
    layer = projection.layer
    if not isinstance(layer, TunedLinear | TunedConv):
        layer = _tuned(layer)
        setattr(projection.parent, projection.name, layer)
    layer.add_module(name, new)
    return list(new.parameters())


def _tuned(layer: nn.Linear | nn.Conv2d) -> Tuned:
    tuned: Tuned
    has_bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        tuned = TunedLinear(layer.in_features, layer.out_features, bias=has_bias, device="meta")
    else:
        tuned = TunedConv(
            layer.in_channels, layer.out_channels, 1, cast(Any, layer.stride), bias=has_bias, device="meta"
        )
    tuned.weight, tuned.bias = layer.weight, layer.bias
    return tuned


@dataclass(frozen=True)
class Branch:
    """The end of a residual branch, just before it is added: the block, the name of its last module there.

    width: channels; channels_first: whether they come as (B, C, H, W) instead of last.
    """

    block: nn.Module
    name: str
    width: int
    channels_first: bool

    def append(self, name: str, module: nn.Module) -> None:
        """Let a module act on the branch's output, under `name`."""
        last = getattr(self.block, self.name)
        if isinstance(last, nn.Sequential):
            last.add_module(name, module)
            return
        before = {} if isinstance(last, nn.Identity) else {"drop": last}
        setattr(self.block, self.name, nn.Sequential(OrderedDict(before | {name: module})))


def branches(net: nn.Module) -> Iterator[Branch]:
    """Yield the residual branches: of attention and MLP in transformers, the one of every ConvNeXt block."""
    for block in blocks(net):
        width = block.mlp.fc2.weight.shape[0]
        for name in ("drop_path1", "drop_path2", "drop_path"):
            if hasattr(block, name):
                yield Branch(cast(nn.Module, block), name, width, channels_first=name == "drop_path")


def blocks(net: nn.Module) -> list[Any]:
    """Return the blocks that have an MLP, from the input to the output."""
    return [
        m
        for m in net.modules()
        if hasattr(m, "mlp") and (hasattr(m, "drop_path") or hasattr(m, "drop_path2"))
    ]


def on_channels_last(module: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the module's output on a (B, C, H, W) tensor, the module seeing (B, H, W, C)."""
    return torch.movedim(module(torch.movedim(x, 1, -1)), -1, 1)
