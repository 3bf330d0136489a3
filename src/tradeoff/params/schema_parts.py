"""What JSON schemas of params are put together from: mappings, numbers, names, choices."""

from collections.abc import Sequence
from typing import Any

NAME = r"^[a-z][a-z0-9_]*$"

Schema = dict[str, Any]


def mapping(properties: Schema, required: Sequence[str] | None = None) -> Schema:
    """A mapping whose keys are all known, and required unless `required` says which."""
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties) if required is None else list(required),
        "additionalProperties": False,
    }


def partial(properties: Schema) -> Schema:
    return mapping(properties, required=())


def named(value: Schema) -> Schema:
    """A mapping from names of the user's choice to `value`."""
    return {"patternProperties": {NAME: value}, "additionalProperties": False}


def integer(minimum: int, description: str, *, nullable: bool = False) -> Schema:
    return {
        "type": ["integer", "null"] if nullable else "integer",
        "minimum": minimum,
        "description": description,
    }


def number(minimum: float, maximum: float | None, description: str) -> Schema:
    schema: Schema = {"type": "number", "minimum": minimum, "description": description}
    return schema if maximum is None else schema | {"maximum": maximum}


def names(description: str, pattern: str = NAME) -> Schema:
    return {
        "type": "array",
        "items": {"type": "string", "pattern": pattern},
        "minItems": 1,
        "uniqueItems": True,
        "description": description,
    }


def choice(description: str, *values: str) -> Schema:
    return {"enum": list(values), "description": description}
