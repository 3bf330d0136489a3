"""Several strategies at once: what any of them trains, trains."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from tradeoff.params.fields import param, schema_of
from tradeoff.strategies import DEFAULT_MEMBERS, STRATEGIES, base, load
from tradeoff.strategies import schema as schema_of_strategy

# All but those that leave nothing to add, rebuild the network themselves (dora), or are unions.
MEMBERS = tuple(name for name in STRATEGIES if name not in ("full", "linear", "lp_ft", "dora", "union"))


@dataclass(frozen=True)
class Params:
    """Several strategies at once."""

    members: dict[str, Any] = param(
        DEFAULT_MEMBERS, "strategies by name, each with its parameters; applied in the order of their names"
    )


def schema() -> dict[str, Any]:
    """Return the JSON schema of `Params`, the members' own schemas in it."""
    whole = schema_of(Params)
    whole["properties"]["members"] |= {
        "properties": {name: schema_of_strategy(name) for name in MEMBERS},
        "additionalProperties": False,
        "minProperties": 1,
    }
    return whole


class Strategy(base.Strategy):
    def __init__(self, params: Params) -> None:
        self.members: list[base.Strategy] = [load(name, own) for name, own in sorted(params.members.items())]

    def insert(self, net: nn.Module) -> list[str]:
        names = [name for member in self.members for name in member.insert(net)]
        self.place = "; ".join(member.place for member in self.members)
        self.mechanism = "; ".join(member.mechanism for member in self.members)
        return names
