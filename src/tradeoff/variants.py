"""A sweep of a strategy or an objective, as the variants it expands into."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Variant:
    """One point of a strategy's or an objective's sweep: its name in paths, its label in figures, its parameters."""

    family: str
    name: str
    label: str
    params: dict[str, Any]
    training: dict[str, Any]


def variants(family: str, section: dict[str, Any]) -> Iterator[Variant]:
    """Yield a strategy's or an objective's variants: one for every combination of the lists in its `sweep`.

    Without a sweep there is one, named as the family.
    """
    sweep = section.get("sweep", {})
    own = {key: value for key, value in section.items() if key not in ("sweep", "training")}
    for values in itertools.product(*sweep.values()):
        point = dict(zip(sweep, values, strict=True))
        name = "-".join([family, *(f"{key}{_in_path(value)}" for key, value in point.items())])
        label = ", ".join(f"{key.replace('_', ' ')} {_in_words(value)}" for key, value in point.items())
        yield Variant(family, name, label, own | point, section.get("training", {}))


def _in_path(value: Any) -> str:
    return "_".join(map(str, value)) if isinstance(value, list) else str(value).replace("/", "_")


def _in_words(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)
