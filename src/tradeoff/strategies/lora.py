"""LoRA (Hu et al. 2022, eq. 3): W + alpha/rank · B A, with A and B of their own for q, k and v."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tradeoff.errors import UserError
from tradeoff.params.fields import param
from tradeoff.strategies import base, names_of
from tradeoff.strategies.places import POINTWISE, Change, change, projections

TARGETS = ["q", "k", "v", "proj", "fc1", "fc2"]


@dataclass(frozen=True)
class Params:
    """Low-rank updates of matrices."""

    rank: int = param(8, "width of the update", minimum=1, maximum=4096)
    alpha: float = param(8.0, "the update is scaled by alpha / rank", exclusiveMinimum=0)
    targets: tuple[str, ...] = param(
        ("q", "k", "v", "fc1", "fc2"),
        "matrices of each block; networks without blocks have every 1x1 convolution instead, and none to choose",
        enum=TARGETS,
    )
    dropout: float = param(
        0.0, "share of the update's inputs dropped in training", minimum=0, exclusiveMaximum=1
    )


class Strategy(base.Strategy):
    mechanism = "low-rank update of the weights"

    def __init__(self, params: Params) -> None:
        self.params = params

    def insert(self, net: nn.Module) -> list[str]:
        targets = {*self.params.targets, POINTWISE}
        inserted: list[nn.Parameter] = []
        parts: dict[str, None] = {}
        for projection in projections(net):
            chosen = [index for index, part in enumerate(projection.parts) if part in targets]
            if chosen:
                update = LowRank(*projection.widths, len(projection.parts), chosen, self.params)
                inserted += change(projection, "lora", update)
                parts |= dict.fromkeys(projection.parts[index] for index in chosen)
        if not inserted:
            raise UserError(
                "strategies.lora.targets", ", ".join(self.params.targets), "a matrix that this backbone has"
            )
        self.place = "every 1x1 convolution" if POINTWISE in parts else f"{', '.join(parts)} of every block"
        return names_of(net, inserted)


class LowRank(Change):
    """The updates of one projection, stacked over its chosen parts so that they cost two products.

    A: (n · rank, in), the parts' A below each other; B: (n, out of a part, rank).
    """

    def __init__(self, into: int, out: int, parts: int, chosen: list[int], params: Params) -> None:
        super().__init__()
        self.parts, self.chosen = parts, chosen
        self.scale, self.dropout = params.alpha / params.rank, params.dropout
        self.A = nn.Parameter(torch.empty(len(chosen) * params.rank, into))
        self.B = nn.Parameter(torch.zeros(len(chosen), out, params.rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))  # of fan-in `into`: that of each A by itself

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        if self.dropout:
            x = functional.dropout(x, self.dropout, self.training)
        inner = functional.linear(x, self.A)
        return torch.addmm(y, inner, self._up(), alpha=self.scale)

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return torch.addmm(weight, self._up().T, self.A, alpha=self.scale), bias

    def folds(self) -> bool:
        return not (self.training and self.dropout)

    def _up(self) -> Tensor:
        """All B as one matrix (n · rank, outputs): each takes its own part of A's outputs to its own part."""
        if self.parts == 1:
            return self.B[0].mT
        nothing = self.B.new_zeros(0, self.B.shape[1])
        down_the_diagonal = [
            self.B[self.chosen.index(part)].T if part in self.chosen else nothing
            for part in range(self.parts)
        ]
        up: Tensor = torch.block_diag(*down_the_diagonal)  # type: ignore[no-untyped-call]
        return up
