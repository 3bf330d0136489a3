"""Folding what a strategy inserted into the weights, for probing."""

import copy

from torch import nn

from tradeoff.backbones import Classifier
from tradeoff.strategies.places import TunedConv, TunedLinear


def merged(model: Classifier) -> Classifier:
    """Return the model itself when there is nothing to fold, else a frozen copy with plain layers."""
    if not any(_folds(module) for module in model.net.modules()):
        return model
    model = copy.deepcopy(model)
    for parent in list(model.net.modules()):
        for name, layer in list(parent.named_children()):
            if _folds(layer):
                setattr(parent, name, _plain(layer))
    model.trained = tuple(name for name, _ in model.net.named_parameters())
    return model.requires_grad_(False)


def _folds(module: nn.Module) -> bool:
    return isinstance(module, TunedLinear | TunedConv) or _is_peft(module)


def _is_peft(module: nn.Module) -> bool:
    return hasattr(module, "get_base_layer") and hasattr(module, "merge")


def _plain(layer: nn.Module) -> nn.Module:
    if _is_peft(layer):
        layer.merge()  # type: ignore[operator]
        base: nn.Module = layer.get_base_layer()  # type: ignore[operator]
        return base
    assert isinstance(layer, TunedLinear | TunedConv)
    weight, bias = layer.folded()
    plain: nn.Module
    if isinstance(layer, TunedLinear):
        plain = nn.Linear(layer.in_features, layer.out_features, bias=bias is not None, device="meta")
    else:
        stride = (layer.stride[0], layer.stride[1])
        plain = nn.Conv2d(
            layer.in_channels, layer.out_channels, 1, stride, bias=bias is not None, device="meta"
        )
    plain.weight = nn.Parameter(weight.detach())
    plain.bias = None if bias is None else nn.Parameter(bias.detach())
    return plain.train(layer.training)
