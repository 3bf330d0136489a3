"""What a JSON schema found wrong, in the words of a person: one line for the first mistake."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

import jsonschema

from tradeoff.errors import UserError


def first_mistake(errors: Iterable[jsonschema.ValidationError]) -> UserError:
    """Return the error to show first, of at least one; it names the key."""
    return _as_user_error(min(errors, key=_first_and_deepest))


def shown(value: Any) -> str:
    """Return a value as an error shows it, in at most 80 characters."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _first_and_deepest(error: jsonschema.ValidationError) -> tuple[bool, int, str]:
    """Unknown keys first, since a misspelt key also causes a missing one; then by place."""
    return (
        error.validator != "additionalProperties",
        len(error.absolute_path),
        str(list(error.absolute_path)),
    )


def _as_user_error(error: jsonschema.ValidationError) -> UserError:
    path = [str(part) for part in error.absolute_path]
    schema: Any = error.schema
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        unknown = sorted(key for key in instance if key not in known and not _matches(key, schema))
        where = ".".join([*path, unknown[0]]) or "params"
        if not known:
            return UserError(
                where, f"the name {shown(unknown[0])}", "a name of lower-case letters, digits and _"
            )
        close = difflib.get_close_matches(unknown[0], known, n=1)
        section = f"section {'.'.join(path)}" if path else "params"
        return UserError(
            where,
            f"the unknown key {shown(unknown[0])}",
            f"one of {', '.join(sorted(known))} in {section}",
            f"did you mean {close[0]!r}?" if close else "",
        )
    where = ".".join(path) or "params"
    if error.validator == "required":
        missing = sorted(set(schema["required"]) - set(instance))
        return UserError(".".join([*path, missing[0]]), "nothing", _expected(_property(schema, missing[0])))
    return UserError(where, shown(instance), _expected(schema))


def _matches(key: str, schema: dict[str, Any]) -> bool:
    return any(re.search(pattern, key) for pattern in schema.get("patternProperties", {}))


def _property(schema: dict[str, Any], key: str) -> dict[str, Any]:
    found: dict[str, Any] = schema.get("properties", {}).get(key, {})
    return found


LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}
TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a word",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def _expected(schema: dict[str, Any]) -> str:
    """Say in words what a schema asks for."""
    if "enum" in schema:
        words = "one of " + ", ".join(map(str, schema["enum"]))
    else:
        types = schema.get("type", [])
        words = " or ".join(TYPES[name] for name in ([types] if isinstance(types, str) else types))
        bounds = [f"{phrase} {schema[key]}" for key, phrase in LIMITS.items() if key in schema]
        words = " ".join(filter(None, [words, " and ".join(bounds)]))
        if "pattern" in schema:
            words += f" like {schema['pattern']}" if "description" not in schema else ""
        if schema.get("minItems"):
            words += f" of at least {schema['minItems']}"
        if schema.get("uniqueItems"):
            words += ", none twice"
    description = schema.get("description", "")
    if not words:
        return description or "a valid value"
    return f"{words} ({description})" if description else words
