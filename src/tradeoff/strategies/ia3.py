"""(IA)³ (Liu et al. 2022): learned scales of keys, values and the MLP's activations.

The outputs of k, v, fc1 (before its GELU) and fc2 are scaled, biases included.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tradeoff.strategies import base, names_of
from tradeoff.strategies.places import Change, change, projections

# ASSUME: the places of AdapterHub, and so of the published results; the paper scales after the activation,
# not before it, and fc2 not at all.
TARGETS = ("k", "v", "fc1", "fc2")


@dataclass(frozen=True)
class Params:
    """Scales of outputs of k, v, fc1 and fc2; nothing to choose."""


class Strategy(base.Strategy):
    place = "outputs of k, v, fc1 (before GELU) and fc2"
    mechanism = "learned scales"

    def __init__(self, params: Params) -> None:
        pass

    def insert(self, net: nn.Module) -> list[str]:
        inserted: list[nn.Parameter] = []
        for projection in projections(net):
            parts = [part in TARGETS for part in projection.parts]
            if any(parts):
                _, out = projection.widths
                # q comes first in the fused matrix, and is the only part that keeps its scale.
                scale = Scale(out * parts.count(False), out * parts.count(True))
                inserted += change(projection, "ia3", scale)
        return names_of(net, inserted)


class Scale(Change):
    """y · (1, ..., 1, scale): the first `kept` outputs stay as they are."""

    ones: Tensor

    def __init__(self, kept: int, scaled: int) -> None:
        super().__init__()
        self.register_buffer("ones", torch.ones(kept), persistent=False)
        self.scale = nn.Parameter(torch.ones(scaled))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return y * self._whole()

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        whole = self._whole()
        return weight * whole[:, None], None if bias is None else bias * whole

    def _whole(self) -> Tensor:
        return torch.cat([self.ones, self.scale]) if len(self.ones) else self.scale
