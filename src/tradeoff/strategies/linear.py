"""Linear probing: the head alone trains, on features that never change."""

from dataclasses import dataclass

from torch import nn

from tradeoff.strategies import base


@dataclass(frozen=True)
class Params:
    """The classifier alone trains; nothing to choose."""


class Strategy(base.Strategy):
    place = "head only"
    mechanism = "linear classifier on frozen features"

    def __init__(self, params: Params) -> None:
        pass

    def insert(self, net: nn.Module) -> list[str]:
        return []
