"""Reading params files: YAML as people mean it, merged in order, every mistake named with its file and line."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tradeoff.errors import UserError


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read one params file into a mapping.

    `1e-3` is a number and `no` is a word, as in YAML 1.2. A missing file, broken YAML, a key given
    twice, or something other than a mapping is a UserError that names file and line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(str(path), "no such file", "a params file", "check the path") from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise UserError(str(path), str(error), "a YAML file in UTF-8") from None
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise UserError(f"{path}{line}", problem, "valid YAML") from None
    except ValueError as error:
        raise UserError(str(path), f"a value that cannot be read ({error})", "valid YAML") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(str(path), f"a {type(value).__name__}", "sections such as `study:`")
    return value


def merge(files: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the files laid over each other: mappings merge key by key, everything else is replaced.

    So are a backbone's weights when they come from elsewhere: pretrain, file and hub exclude each other.
    """
    merged: dict[str, Any] = {}
    for overlay in files:
        merged = _lay_over(merged, overlay)
    return merged


def _lay_over(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in overlay.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not SOURCES & (value.keys() - old):
            value = _lay_over(old, value)
        result[key] = value
    return result


SOURCES = {"pretrain", "file", "hub"}  # of weights, one at a time; no other section has such keys
LEVELS = 50  # of mappings and lists inside each other; params have less than ten


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2's core schema, without aliases, tags or repeated keys."""

    level = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        mark: Any = event.start_mark
        # Aliases let a few bytes grow into gigabytes, tags ask for other types; no params file needs either.
        if isinstance(event, yaml.events.AliasEvent):
            raise yaml.MarkedYAMLError(problem="an alias (*name)", problem_mark=mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem=f"a tag ({event.tag})", problem_mark=mark)
        if self.level == LEVELS:
            problem = f"more than {LEVELS} mappings and lists inside each other"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        self.level += 1
        node = super().compose_node(parent, index)
        self.level -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key that is no word", problem_mark=key_node.start_mark)
            if key_node.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key_node.value!r} twice", problem_mark=key_node.start_mark
                )
            seen.add(key_node.value)
        # Keys are names: `1:` or `null:` means the word, not the number.
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}

    def construct_yaml_map(self, node: Any) -> Any:
        return self.construct_mapping(node)


# The base class shares its table of resolvers with every loader: this one starts with none.
_Loader.yaml_implicit_resolvers = {}
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_yaml_map)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
