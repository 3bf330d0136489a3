"""BitFit (Ben Zaken et al. 2022): every bias trains, those of norms and of the patch embedding too."""

from dataclasses import dataclass

from torch import nn

from tradeoff.strategies import base


@dataclass(frozen=True)
class Params:
    """Every bias trains; nothing to choose."""


class Strategy(base.Strategy):
    place = "every bias"
    mechanism = "biases, weights frozen"

    def __init__(self, params: Params) -> None:
        pass

    def insert(self, net: nn.Module) -> list[str]:
        return [name for name, _ in net.named_parameters() if name.rpartition(".")[2] == "bias"]
