"""Bottleneck adapters (Houlsby et al. 2019): h + up(GELU(down(h))) at the end of every residual branch."""

from dataclasses import dataclass

from torch import Tensor, nn

from tradeoff.params.fields import param
from tradeoff.strategies import base, names_of
from tradeoff.strategies.places import branches, on_channels_last


@dataclass(frozen=True)
class Params:
    """Bottlenecks after attention and after the MLP."""

    reduction_factor: float = param(8.0, "width of the branch over width of the bottleneck", minimum=1)


class Strategy(base.Strategy):
    place = "end of every residual branch"
    mechanism = "bottleneck with a residual connection"

    def __init__(self, params: Params) -> None:
        self.reduction_factor = params.reduction_factor

    def insert(self, net: nn.Module) -> list[str]:
        inserted: list[nn.Parameter] = []
        for branch in branches(net):
            inner = max(1, int(branch.width / self.reduction_factor))
            adapter = Bottleneck(
                _linear(branch.width, inner), _linear(inner, branch.width), branch.channels_first
            )
            branch.append("adapter", adapter)
            inserted += adapter.parameters()
        return names_of(net, inserted)


class Bottleneck(nn.Module):
    """h + up(GELU(down(h))), over the last dimension of h or over the second."""

    def __init__(self, down: nn.Module, up: nn.Module, channels_first: bool) -> None:
        super().__init__()
        self.down, self.up, self.channels_first = down, up, channels_first

    def forward(self, h: Tensor) -> Tensor:
        return on_channels_last(self.act, h) if self.channels_first else self.act(h)

    def act(self, h: Tensor) -> Tensor:
        out: Tensor = h + self.up(nn.functional.gelu(self.down(h)))
        return out


def _linear(into: int, out: int) -> nn.Linear:
    """A layer with BERT's initialisation, N(0, 0.02) and zero: an adapter starts near the identity."""
    layer = nn.Linear(into, out)
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer
