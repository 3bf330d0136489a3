"""Linear probing, then full fine-tuning (Kumar et al. 2022): the backbone is frozen until the head fits."""

from dataclasses import dataclass

from torch import nn

from tradeoff.params.fields import param
from tradeoff.strategies import base


@dataclass(frozen=True)
class Params:
    """The head alone trains first, then everything."""

    # ASSUME: both stages share one schedule of the learning rate; the paper gives each its own.
    probe_share: float = param(0.5, "share of all steps in which the head alone trains", minimum=0, maximum=1)


class Strategy(base.Strategy):
    updates_statistics = True  # once everything trains
    place = "head, then everything"
    mechanism = "linear probing, then all weights"

    def __init__(self, params: Params) -> None:
        self.probe_share = params.probe_share

    def insert(self, net: nn.Module) -> list[str]:
        return [name for name, _ in net.named_parameters()]

    def backbone_trains(self, step: int, total: int) -> bool:
        return step >= round(self.probe_share * total)
