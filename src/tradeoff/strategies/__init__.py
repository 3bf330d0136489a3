"""Strategies: which parameters fine-tuning moves. One file for each, one line of registry.

A strategy's module defines `Params`, a frozen dataclass of its parameters (fields made with
`tradeoff.params.fields.param`), and `Strategy(params)`, a `tradeoff.strategies.base.Strategy`. The head
trains with every strategy. docs/how-to/add-a-strategy.md says how to add one. Importing this package does not import
torch.
"""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tradeoff.errors import UserError
from tradeoff.families import ALL, family_of
from tradeoff.params.fields import from_mapping, schema_of

if TYPE_CHECKING:
    from torch import nn
    from torch.nn import Parameter

    from tradeoff.backbones import Classifier
    from tradeoff.strategies.applied import Applied


@dataclass(frozen=True)
class Entry:
    """Where a strategy lives, which families of backbones it is defined on, and what those have."""

    module: str
    families: tuple[str, ...] = ALL
    needs: str = ""


TRANSFORMERS = ("vit", "clip_vit", "swin")
WITH_MLP = (*TRANSFORMERS, "convnext")

STRATEGIES: dict[str, Entry] = {
    "full": Entry("tradeoff.strategies.full"),
    "linear": Entry("tradeoff.strategies.linear"),
    "bitfit": Entry("tradeoff.strategies.bitfit"),
    "lora": Entry("tradeoff.strategies.lora"),
    "adapter": Entry("tradeoff.strategies.adapter", WITH_MLP, "residual branches of one width"),
    "compacter": Entry("tradeoff.strategies.compacter", WITH_MLP, "residual branches of one width"),
    "ia3": Entry("tradeoff.strategies.ia3", TRANSFORMERS, "keys, values and MLP activations"),
    "norm": Entry("tradeoff.strategies.norm"),
    "lp_ft": Entry("tradeoff.strategies.lp_ft"),
    "dora": Entry("tradeoff.strategies.dora", WITH_MLP, "linear layers in blocks"),
    "vpt": Entry("tradeoff.strategies.vpt", ("vit", "clip_vit"), "a plain sequence of tokens"),
    "union": Entry("tradeoff.strategies.union"),
}

# What a union is made of when params do not say.
DEFAULT_MEMBERS: dict[str, dict[str, Any]] = {"lora": {}, "bitfit": {}}


def check_applies(name: str, model: str, params: dict[str, Any] | None = None) -> None:
    """UserError when a strategy is unknown or not defined on a timm model; names those that are.

    params: where given, the members of a union are checked too.
    """
    entry = _entry(name)
    family = family_of(model)
    if family not in entry.families:
        others = ", ".join(other for other, it in STRATEGIES.items() if family in it.families)
        raise UserError(
            f"strategies: {name}",
            f"{model}, of the family {family}, which lacks {entry.needs}",
            f"a backbone of a family it is defined on ({', '.join(entry.families)})",
            f"strategies that apply to {model}: {others}",
        )
    for member in _members(name, params or {}):
        check_applies(member, model)


def modules(spec: dict[str, Any]) -> list[str]:
    """Return the modules that a strategy's spec {name, params} runs, by their dotted names."""
    return [_entry(name).module for name in (spec["name"], *_members(spec["name"], spec["params"]))]


def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of a strategy's parameters."""
    module = importlib.import_module(_entry(name).module)
    own: dict[str, Any] = module.schema() if hasattr(module, "schema") else schema_of(module.Params)
    return own


def load(name: str, params: dict[str, Any]) -> Any:
    """Return the strategy `name` with its parameters; what params do not give has its default."""
    module = importlib.import_module(_entry(name).module)
    return module.Strategy(from_mapping(module.Params, params))


def apply(model: "Classifier", name: str, params: dict[str, Any], seed: int) -> "Applied":
    """Apply a strategy to a model, in place: insert its modules, and let exactly its parameters train.

    model: still on the CPU, weights loaded; params: the strategy's own parameters; seed: of what is inserted.
    UserError where it cannot be applied.
    """
    from tradeoff.strategies import applied

    check_applies(name, model.model, params)
    return applied.apply(model, name, load(name, params), seed)


def merged(model: "Classifier") -> "Classifier":
    """Return the model with low-rank updates and scales folded into its weights, the same to 1e-5 in fp32.

    The model itself when there is nothing to fold, else a copy; the copy is for inference.
    """
    from tradeoff.strategies import merging

    return merging.merged(model)


def trainable(model: "Classifier") -> "dict[str, Parameter]":
    """Return the parameters that a model's strategy moves, by name."""
    parameters = dict(model.net.named_parameters())
    return {name: parameters[name] for name in model.trained}


def decay_groups(model: "Classifier", weight_decay: float) -> list[dict[str, Any]]:
    """Return the trainable parameters as groups for an optimizer, those that must not decay apart.

    Never decayed: scales, norms and biases (everything of one dimension, (IA)³'s vectors too, which decay
    would pull to 0 instead of 1), and what timm's model lists itself (position embeddings, class token,
    Swin's relative position biases). The compacter's shared rule decays like the weights it is a factor of.
    """
    net: Any = model.net
    spared = set(net.no_weight_decay()) if hasattr(net, "no_weight_decay") else set()
    parameters = trainable(model)
    kept = [name for name, parameter in parameters.items() if parameter.ndim <= 1 or name in spared]
    groups = [
        {"params": [p for n, p in parameters.items() if n not in kept], "weight_decay": weight_decay},
        {"params": [parameters[name] for name in kept], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def counts(model: "Classifier") -> dict[str, int]:
    """Return numbers of parameters: trainable (head included), of the head, and total (inserted ones too)."""
    from tradeoff.backbones import head_names

    chosen = trainable(model)
    head = set(head_names(model.net))
    return {
        "trainable": sum(parameter.numel() for parameter in chosen.values()),
        "head": sum(parameter.numel() for name, parameter in chosen.items() if name in head),
        "total": sum(parameter.numel() for parameter in model.net.parameters()),
    }


def names_of(net: "nn.Module", parameters: "list[Parameter]") -> list[str]:
    """Return the names that a network has for some of its parameters."""
    own = {id(parameter) for parameter in parameters}
    return [name for name, parameter in net.named_parameters() if id(parameter) in own]


def _entry(name: str) -> Entry:
    if name not in STRATEGIES:
        raise UserError("strategies", f"the unknown strategy {name!r}", f"one of {', '.join(STRATEGIES)}")
    return STRATEGIES[name]


def _members(name: str, params: dict[str, Any]) -> list[str]:
    """The strategies that a union is made of."""
    return list(params.get("members", DEFAULT_MEMBERS)) if name == "union" else []
