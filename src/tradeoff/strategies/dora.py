"""DoRA (Liu et al. 2024), peft's: a low-rank update of each matrix's direction, and a learned magnitude."""

from dataclasses import dataclass
from typing import cast

from torch import nn

from tradeoff.errors import UserError
from tradeoff.params.fields import param
from tradeoff.strategies import base, names_of
from tradeoff.strategies.places import blocks

# ASSUME: the fused matrix of q, k and v is one matrix with one A, as peft sees it.
TARGETS = ["qkv", "proj", "fc1", "fc2"]


@dataclass(frozen=True)
class Params:
    """Low-rank updates of direction, learned magnitude."""

    rank: int = param(8, "width of the update", minimum=1, maximum=4096)
    alpha: float = param(8.0, "the update is scaled by alpha / rank", exclusiveMinimum=0)
    targets: tuple[str, ...] = param(("qkv", "fc1", "fc2"), "matrices of each block", enum=TARGETS)
    dropout: float = param(
        0.0, "share of the update's inputs dropped in training", minimum=0, exclusiveMaximum=1
    )


class Strategy(base.Strategy):
    mechanism = "low-rank update of direction, learned magnitude"

    def __init__(self, params: Params) -> None:
        self.params = params

    def insert(self, net: nn.Module) -> list[str]:
        from peft import LoraConfig, inject_adapter_in_model

        inside = {id(module) for block in blocks(net) for module in block.modules()}
        targets = [
            name
            for name, module in net.named_modules()
            if id(module) in inside and name.rpartition(".")[2] in self.params.targets
        ]
        if not targets:
            raise UserError(
                "strategies.dora.targets", ", ".join(self.params.targets), "a matrix that this backbone has"
            )
        found = dict.fromkeys(name.rpartition(".")[2] for name in targets)
        self.place = f"{', '.join(found)} of every block"
        before = {id(parameter) for parameter in net.parameters()}
        config = LoraConfig(
            r=self.params.rank,
            lora_alpha=cast(int, self.params.alpha),  # typed narrower than it is
            lora_dropout=self.params.dropout,
            target_modules=targets,
            use_dora=True,
        )
        inject_adapter_in_model(config, net)
        return names_of(net, [parameter for parameter in net.parameters() if id(parameter) not in before])
