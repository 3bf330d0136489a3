"""Visual prompt tuning (Jia et al. 2022): learned tokens between the class token and those of the patches."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from tradeoff.params.fields import param
from tradeoff.strategies import base, names_of


@dataclass(frozen=True)
class Params:
    """Learned tokens at the input of the blocks."""

    prompts: int = param(10, "number of tokens", minimum=1, maximum=1000)
    deep: bool = param(True, "new tokens before every block, instead of before the first only")


class Strategy(base.Strategy):
    mechanism = "learned prompt tokens"

    def __init__(self, params: Params) -> None:
        self.params = params
        self.place = "input of every block" if params.deep else "input of the first block"

    def insert(self, net: nn.Module) -> list[str]:
        vit: Any = net
        prefix, count = vit.num_prefix_tokens, self.params.prompts
        patch = math.prod(vit.patch_embed.patch_size)
        bound = math.sqrt(6 / (3 * patch + vit.embed_dim))  # the authors' code: xavier-uniform of the patches
        blocks = cast(list[nn.Module], list(vit.blocks))
        inserted = []
        for index, block in enumerate(blocks if self.params.deep else blocks[:1]):
            prompts = nn.Parameter(torch.empty(count, vit.embed_dim).uniform_(-bound, bound))
            block.register_parameter("prompts", prompts)
            block.register_forward_pre_hook(partial(_put, prefix=prefix, replaced=count if index else 0))
            inserted.append(prompts)
        # The tokens end with the blocks, so that pooling sees class and patches alone.
        blocks[-1].register_forward_hook(partial(_drop, prefix=prefix, count=count))
        return names_of(net, inserted)


def _put(
    block: nn.Module, arguments: tuple[Tensor, ...], *, prefix: int, replaced: int
) -> tuple[Tensor, ...]:
    """Put a block's prompts behind the first tokens (class, registers), in place of those already there."""
    tokens, *others = arguments
    prompts = cast(Tensor, block.prompts).expand(len(tokens), -1, -1)
    tokens = torch.cat([tokens[:, :prefix], prompts.to(tokens.dtype), tokens[:, prefix + replaced :]], 1)
    return (tokens, *others)


def _drop(block: nn.Module, arguments: Any, tokens: Tensor, *, prefix: int, count: int) -> Tensor:
    return torch.cat([tokens[:, :prefix], tokens[:, prefix + count :]], 1)
