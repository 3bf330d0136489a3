"""The last block of a vision transformer, for its class token alone.

A classifier that reads the class token sees nothing else of the last block: there the other tokens matter as keys
and values only, and their queries, projection and MLP need not be computed. Nor do the keys and values themselves:
with q the class token's query, x the tokens and a the attention,

    q · (K x + b) = (Kᵀ q) · x + a constant that softmax ignores
    Σ a (V x + b) = V Σ a x + b, since Σ a = 1

so both matrices act on one vector for each head instead of on every token. Logits and gradients are those of the
whole block but for rounding; dropout inside it, if any, draws other masks of the same distribution.
"""

from typing import Any, cast

import torch
from timm.layers.attention import Attention
from timm.layers.mlp import GluMlp, Mlp, SwiGLU
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from tradeoff.strategies.places import TunedLinear


def shorten(net: nn.Module) -> None:
    """Let the last block compute the class token alone, in place; names of parameters stay.

    Does nothing to a network that is not exactly timm's vision transformer with pooling by the class token.
    """
    if type(net) is not VisionTransformer or net.global_pool != "token" or net.attn_pool is not None:
        return
    last = cast(nn.Module, net.blocks[-1])
    # Of other kinds it is unknown whether tokens meet in attention only.
    if type(last) is Block and type(last.attn) is Attention and type(last.mlp) in (Mlp, GluMlp, SwiGLU):
        net.blocks[-1] = ClassTokenBlock(last)


class ClassTokenBlock(nn.Module):
    """timm's `Block` around the same layers, from tokens (B, N, D) to the first of its outputs (B, 1, D)."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        for name, layer in block.named_children():
            self.add_module(name, layer)
        self.train(block.training)

    def forward(self, x: Tensor) -> Tensor:
        layers = cast(Any, self)  # typed as what nn.Module makes of children
        x = x[:, :1] + layers.drop_path1(layers.ls1(_attend(layers.attn, layers.norm1(x))))
        out: Tensor = x + layers.drop_path2(layers.ls2(layers.mlp(layers.norm2(x))))
        return out


def _attend(attn: Any, x: Tensor) -> Tensor:
    """Return attn(x)[:, :1]."""
    matrices = _matrices(attn)
    if matrices is None:
        whole: Tensor = attn(x)
        return whole[:, :1]
    weight, bias = matrices
    heads, size = attn.num_heads, attn.head_dim
    query, key, value = weight.unflatten(0, (3, heads, size))  # each (heads, size, D)
    query_bias, _, value_bias = (0, 0, 0) if bias is None else bias.unflatten(0, (3, heads, size))
    q = attn.q_norm(torch.einsum("bd,hsd->bhs", x[:, 0], query) + query_bias)
    scores = torch.einsum("bhs,hsd->bhd", q * attn.scale, key) @ x.mT
    mean = scores.softmax(-1) @ x  # (B, heads, D)
    out = (torch.einsum("bhd,hsd->bhs", mean, value) + value_bias).flatten(1)
    out = attn.proj_drop(attn.proj(attn.norm(out[:, None])))
    return cast(Tensor, out)


def _matrices(attn: Any) -> tuple[Tensor, Tensor | None] | None:
    """The matrix of queries, keys and values (3 D, D) and its bias; None where the sums above do not hold."""
    plain = type(attn.k_norm) is nn.Identity and getattr(attn, "gate", None) is None
    if not plain or (attn.training and attn.attn_drop.p):
        return None
    if isinstance(attn.qkv, TunedLinear):
        return attn.qkv.folded() if attn.qkv.folds() else None
    return (attn.qkv.weight, attn.qkv.bias) if type(attn.qkv) is nn.Linear else None
