"""Parameters as frozen dataclasses: one source for their defaults, their JSON schema and their docs.

@dataclass(frozen=True)
class Params:
    rank: int = param(8, "width of the low-rank update", minimum=1)
"""

import dataclasses
import types
import typing
from typing import Any

T = typing.TypeVar("T")
REQUIRED: Any = dataclasses.MISSING
JSON_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}


def param(default: Any, description: str, **limits: Any) -> Any:
    """A dataclass field with a description and JSON-schema limits (minimum, maximum, enum, pattern, ...).

    The limits of a tuple or list hold for its elements. Params must give what has REQUIRED for a default.
    """
    metadata = {"description": description, "limits": limits}
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def schema_of(params: type) -> dict[str, Any]:
    """Return the strict JSON schema of a dataclass made of `param` fields."""
    hints = typing.get_type_hints(params)
    return {
        "type": "object",
        "description": (params.__doc__ or "").strip().split("\n")[0],
        "properties": {
            field.name: _field_schema(field, hints[field.name]) for field in dataclasses.fields(params)
        },
        "required": sorted(
            field.name
            for field in dataclasses.fields(params)
            if field.default is REQUIRED and field.default_factory is REQUIRED
        ),
        "additionalProperties": False,
    }


def from_mapping(params: type[T], values: dict[str, Any]) -> T:
    """Return the dataclass filled from checked params: lists become tuples where the field is one."""
    hints = typing.get_type_hints(params)
    return params(**{key: tuple(v) if _is_tuple(hints[key]) else v for key, v in values.items()})


def _is_tuple(hint: Any) -> bool:
    return typing.get_origin(hint) is tuple


def _field_schema(field: "dataclasses.Field[Any]", hint: Any) -> dict[str, Any]:
    limits = dict(field.metadata.get("limits", {}))
    schema: dict[str, Any] = {"description": field.metadata.get("description", "")}
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    nullable = type(None) in options
    (kind,) = [option for option in options if option is not type(None)]
    if _is_tuple(kind):
        element = typing.get_args(kind)[0]
        items = {"type": JSON_TYPES[element]} | limits if element in JSON_TYPES else limits
        return schema | {"type": "array", "items": items, "minItems": 1, "uniqueItems": True}
    if kind is dict or typing.get_origin(kind) is dict:
        return schema | {"type": "object"} | limits
    name = JSON_TYPES[kind]
    if "enum" in limits:
        return schema | {"enum": [*limits["enum"], *([None] if nullable else [])]}
    return schema | {"type": [name, "null"] if nullable else name} | limits
