"""Names of a checkpoint's tensors, translated to those of the timm model that takes them.

Robust checkpoints keep the network inside a wrapper (`module.model.`), beside tensors of their own such as
the normalisation's mean.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

State = dict[str, Tensor]


@dataclass(frozen=True)
class Translation:
    """state: the tensors under timm's names, as far as they could be found.

    prefix: what every name began with, removed. by_timm: timm's own translation of older files was applied.
    left_out: tensors outside the prefix, by their names in the file.
    """

    state: State
    prefix: str
    by_timm: bool
    left_out: tuple[str, ...]

    def report(self) -> dict[str, Any]:
        """Say what was done, for the log and backbone.json."""
        return {"prefix_removed": self.prefix, "by_timm": self.by_timm, "left_out": list(self.left_out)}


def translate(net: nn.Module, state: State) -> Translation:
    """Return a state under the names of `net`, with whatever prefix and translation makes most names fit."""
    own = net.state_dict().keys()
    prefix = max(_prefixes(state), key=lambda each: (_fitting(_inside(state, each), own), -len(each)))
    inside = _inside(state, prefix)
    left_out = tuple(name for name in state if not name.startswith(prefix))
    renamed = inside if inside.keys() == own else _as_timm_renames(net, inside)
    by_timm = _fitting(renamed, own) > _fitting(inside, own)
    return Translation(renamed if by_timm else inside, prefix, by_timm, left_out)


def _prefixes(names: Iterable[str]) -> list[str]:
    """Every beginning of a name that ends in a dot, and none at all."""
    found = {""}
    for name in names:
        parts = name.split(".")
        found.update(".".join(parts[:depth]) + "." for depth in range(1, len(parts)))
    return sorted(found)


def _inside(state: State, prefix: str) -> State:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _fitting(names: Iterable[str], own: Iterable[str]) -> int:
    return len(set(names) & set(own))


def _as_timm_renames(net: nn.Module, state: State) -> State:
    """Apply timm's own translation of older files' names, where the architecture has one."""
    rename = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)
    if rename is None:
        return state
    try:
        return dict(rename(dict(state), net))
    except Exception:  # a file of something else entirely: its own names say so best
        return state
