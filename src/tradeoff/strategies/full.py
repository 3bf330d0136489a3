"""Full fine-tuning: everything trains, and BatchNorm's statistics follow the downstream data."""

from dataclasses import dataclass

from torch import nn

from tradeoff.strategies import base


@dataclass(frozen=True)
class Params:
    """Every parameter trains; nothing to choose."""


class Strategy(base.Strategy):
    updates_statistics = True
    place = "everything"
    mechanism = "all weights"

    def __init__(self, params: Params) -> None:
        pass

    def insert(self, net: nn.Module) -> list[str]:
        return [name for name, _ in net.named_parameters()]
