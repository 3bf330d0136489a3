"""Compacter (Karimi Mahabadi et al. 2021): adapters whose matrices are sums of Kronecker products.

A matrix is Σᵢ kron(ruleᵢ, Lᵢ Rᵢ) (eq. 4 and 6): the rules are shared by the whole model, Lᵢ and Rᵢ are thin.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tradeoff.errors import UserError
from tradeoff.params.fields import param
from tradeoff.strategies import base, names_of
from tradeoff.strategies.adapter import Bottleneck
from tradeoff.strategies.places import branches

RULE_STD = 1e-4


@dataclass(frozen=True)
class Params:
    """Bottlenecks of hypercomplex, low-rank products."""

    reduction_factor: float = param(
        32.0, "width of the branch over width of the bottleneck; made a multiple of phm_dim", minimum=1
    )
    phm_dim: int = param(4, "number of Kronecker products, and size of their rules", minimum=1, maximum=64)
    phm_rank: int = param(1, "rank of the thin factors", minimum=1, maximum=1024)


class Strategy(base.Strategy):
    place = "end of every residual branch"
    mechanism = "bottleneck of hypercomplex, low-rank products"

    def __init__(self, params: Params) -> None:
        self.params = params

    def insert(self, net: nn.Module) -> list[str]:
        n, rank = self.params.phm_dim, self.params.phm_rank
        rule = nn.Parameter(torch.empty(n, n, n).normal_(std=RULE_STD))
        inserted: list[nn.Parameter] = []
        for branch in branches(net):
            if branch.width % n:
                raise UserError(
                    "strategies.compacter.phm_dim",
                    str(n),
                    f"a divisor of the backbone's width {branch.width}",
                )
            # ASSUME: a narrow backbone's bottleneck is rounded up, since the products need a multiple of n.
            inner = n * math.ceil(int(branch.width / self.params.reduction_factor) / n) or n
            down = HypercomplexLinear(branch.width, inner, rule, rank)
            up = HypercomplexLinear(inner, branch.width, rule, rank)
            compacter = Bottleneck(down, up, branch.channels_first)
            branch.append("compacter", compacter)
            inserted += compacter.parameters()
        return names_of(net, inserted)


class HypercomplexLinear(nn.Module):
    """x W + bias, with W (in, out) = Σᵢ kron(ruleᵢ, Lᵢ Rᵢ).

    rule: (n, n, n), shared with other layers; left L: (n, in/n, rank); right R: (n, rank, out/n).
    """

    def __init__(self, into: int, out: int, rule: nn.Parameter, rank: int) -> None:
        super().__init__()
        n = rule.shape[0]
        self.rule = rule
        self.left = nn.Parameter(torch.empty(n, into // n, rank))
        self.right = nn.Parameter(torch.empty(n, rank, out // n))
        self.bias = nn.Parameter(torch.zeros(out))
        for left, right in zip(self.left.data, self.right.data, strict=True):
            nn.init.xavier_normal_(left)
            nn.init.xavier_normal_(right)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.matrix().T, self.bias)

    def matrix(self) -> Tensor:
        """Return W, (in, out): small, so that making it costs less than the products one by one."""
        n, rows, _ = self.left.shape
        thin = torch.bmm(self.left, self.right)
        blocks = self.rule.flatten(1).T @ thin.flatten(1)  # (n · n, rows · columns), summed over i
        return blocks.view(n, n, rows, -1).transpose(1, 2).reshape(n * rows, -1)
