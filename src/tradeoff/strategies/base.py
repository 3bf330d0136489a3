"""What every strategy is."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from torch import nn


class Strategy(ABC):
    """A choice of parameters. Its `Strategy(params)` keeps what it needs of its parameters."""

    # Whether BatchNorm's running statistics follow the downstream data (train mode) or stay those of the
    # upstream data (eval mode). Frozen unless everything trains: a strategy that moves few parameters
    # would otherwise also move every normalisation.
    updates_statistics = False
    # Where it acts and how, in a few words: for the table of strategies, once it is inserted.
    place = "—"
    mechanism = "—"

    @abstractmethod
    def insert(self, net: nn.Module) -> Iterable[str]:
        """Insert modules into a timm model and return the names of the parameters that train beside the head.

        Draws from torch's global stream, which the caller has seeded.
        """

    def backbone_trains(self, step: int, total: int) -> bool:
        """Say whether more than the head trains at the 0-based update `step` of `total`."""
        return True
