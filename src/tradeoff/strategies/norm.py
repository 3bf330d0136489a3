"""Norm tuning (Frankle et al. 2021; Basu et al. 2024): scales and shifts of normalisation layers train."""

from dataclasses import dataclass

from torch import nn

from tradeoff.backbones import batch_norms
from tradeoff.strategies import base, names_of


@dataclass(frozen=True)
class Params:
    """Every normalisation layer trains; nothing to choose."""


class Strategy(base.Strategy):
    """BatchNorm's scales and shifts train as well; its running statistics stay frozen."""

    place = "normalisation layers"
    mechanism = "their scales and shifts"

    def __init__(self, params: Params) -> None:
        pass

    def insert(self, net: nn.Module) -> list[str]:
        layers = [
            module for module in net.modules() if isinstance(module, nn.LayerNorm | nn.GroupNorm)
        ] + batch_norms(net)
        return names_of(net, [parameter for layer in layers for parameter in layer.parameters()])
