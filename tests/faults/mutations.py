"""Seeded mutations of a params file: what people mistype, what YAML does with it, and what it means."""

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

UNREADABLE = object()  # what is no YAML of ours has no meaning
SHELL = "$(touch canary); `touch canary` | touch canary\n&& touch canary"
DEEP = 100_000

# What one may write for a value, and what it means in YAML 1.2 (numbers are decimal; the rest are words).
WRITTEN: list[tuple[str, Any]] = [
    *((word, word) for word in ("no", "yes", "on", "off", "y", "N", "0x1f", "0o17", "017", "1_000", "2001-01-01")),
    *((word, word) for word in ("1:30", ".inf", "-.Inf", ".nan", "nan", "Infinity", "1e", "--1", "1.2.3", "=", "<<")),
    *((word, word) for word in ("ünïcode", "数字", "\U0001f600", "\u202eabc", "a\u0301", "1#2", "x y", "٣", "½", "１")),
    ("1e-3", 0.001), ("1E+2", 100.0), ("1.", 1.0), (".5", 0.5), ("+1", 1), ("-0", 0), ("-0.0", -0.0), ("1e0", 1.0),
    ("0", 0), ("-1", -1), ("1", 1), ("2.5", 2.5), ("1e-320", 1e-320), ("1e308", 1e308), (str(10**400), 10**400),
    ("1e400", float("inf")), ("-1e400", float("-inf")), (str(2**63), 2**63), ("3 # remark", 3), ("true", True),
    ("False", False), ("null", None), ("~", None), ("", None), ("'1'", "1"), ('""', ""), ("'no'", "no"),
    ('"\\u0000"', "\0"), (json.dumps(SHELL), SHELL), (json.dumps("../" * 9 + "etc/passwd"), "../" * 9 + "etc/passwd"),
    (json.dumps("long" * 5000), "long" * 5000), ("4/0", "4/0"), ("4/255", "4/255"), ("-4/255", "-4/255"),
    ("[]", []), ("{}", {}), ("[1, 1]", [1, 1]), ("{a: 1}", {"a": 1}), ("[no]", ["no"]), ("{1: 2}", {"1": 2}),
    ("{<<: 1}", {"<<": 1}),
    *((text, UNREADABLE) for text in ("*x", "{a: *x}", "!mine 1", "!!python/name:os.system", "@a", "`a`", "%a")),
    *((text, UNREADABLE) for text in ("[1, 2", "{a: 1", "'", '"\\x"', "a: b: c", "{a: 1, a: 2}", "[1]]", "{[1]: 2}")),
    *((text, UNREADABLE) for text in ("!!int word", "!!bool x", "!!timestamp x", "!!binary x", "!!set [1]", "!!str 3")),
    ("[" * DEEP + "]" * DEEP, UNREADABLE), ("{a: " * DEEP + "1" + "}" * DEEP, UNREADABLE),
]  # fmt: skip
KEYS = [
    "x",
    "Ünï",
    "",
    " ",
    "a.b",
    "__proto__",
    "no",
    "null",
    "1",
    "a\nb",
    SHELL,
    "k" * 5000,
    "\U0001f600",
    "<<",
]


@dataclass(frozen=True)
class Mutation:
    """A params file, what was done to it (in words), where (a path of keys; () is everywhere), and what it means.

    meaning: the params, UNREADABLE, or None where only the reader can tell.
    """

    number: int
    done: str
    path: tuple[str | int, ...]
    content: bytes
    meaning: Any


def mutation(number: int, text: str, params: dict[str, Any]) -> Mutation:
    """Return the mutation of that number of a params file: the same in every process. params: what `text` means."""
    chance = random.Random(number)
    how = chance.choices([_written, _key, _file], [5, 3, 2])[0]
    return how(number, chance, text, copy.deepcopy(params))


def _written(number: int, chance: random.Random, text: str, params: Any) -> Mutation:
    """Something else is written in the place of a value."""
    path, node = chance.choice(list(_values(_root(text))))
    written, value = chance.choice(WRITTEN)
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:  # a block, up to the next key
        written += "\n"
    content = text[:start] + written + text[end:]
    # Plain words end where a bracket around them does.
    if "# remark" in written:
        content = text[:start] + written + "\n" + " " * 8 + text[end:]
    meaning = value if value is UNREADABLE else _with(params, path, value)
    return Mutation(number, f"{written[:40]!r} written", path, content.encode(), meaning)


def _key(number: int, chance: random.Random, text: str, params: Any) -> Mutation:
    """A key is gone, spelt otherwise, or too many."""
    path, _ = chance.choice(
        [(path, node) for path, node in _values(_root(text)) if isinstance(path[-1], str)]
    )
    parent = _at(params, path[:-1])
    key, how = path[-1], chance.choice(["left out", "misspelt", "added"])
    if how == "added":
        key = chance.choice(KEYS)
        parent[key] = chance.choice([None, 1, "x", [], {}])
    else:
        value = parent.pop(key)
        if how == "misspelt":
            at = chance.randrange(len(key))
            parent[chance.choice([key[:at] + key[at + 1 :], key[:at] + key[at] + key[at:], key.title()])] = (
                value
            )
    return Mutation(number, f"{str(key)[:40]!r} {how}", (*path[:-1], key), _dumped(params), params)


def _file(number: int, chance: random.Random, text: str, params: Any) -> Mutation:
    """The file as a whole is no longer what an editor would save."""
    raw, lines = text.encode(), text.splitlines(keepends=True)
    at, line = chance.randrange(1, len(raw)), chance.randrange(len(lines))
    cases: list[tuple[str, bytes, Any]] = [
        ("empty", b"", {}),
        ("blank", b" \n\n\t\n"[:3], {}),
        ("remarks alone", b"# nothing\n", {}),
        ("random bytes", chance.randbytes(300), UNREADABLE),
        ("zeros", bytes(200), UNREADABLE),
        ("UTF-16", text.encode("utf-16"), UNREADABLE),
        ("Latin-1", text.replace("quickstart", "qu\xefck", 1).encode("latin-1"), UNREADABLE),
        ("with a byte-order mark", b"\xef\xbb\xbf" + raw, params),
        ("with CRLF", raw.replace(b"\n", b"\r\n"), params),
        ("as JSON", json.dumps(params).encode(), params),
        ("indented by tabs", raw.replace(b"\n  ", b"\n\t"), UNREADABLE),
        ("two documents", raw + b"\n---\n" + raw, UNREADABLE),
        ("one document, marked", b"%YAML 1.2\n---\n" + raw + b"...\n", params),
        ("a section twice", raw + b"\nstudy: {name: other}\n", UNREADABLE),
        ("a merge key", raw.replace(b"data:\n", b"data:\n  <<: {limit: 1}\n", 1), None),
        ("an anchor nobody uses", raw.replace(b"name: quick", b"name: &here quick", 1), params),
        ("an alias", raw.replace(b"seeds: [0]", b"seeds: &s [0]\n  leave_out: *s", 1), UNREADABLE),
        ("a list", b"- 1\n- 2\n", UNREADABLE),
        ("a word", b"quickstart\n", UNREADABLE),
        ("deep", b"study: " + b"[" * DEEP, UNREADABLE),
        ("cut short", raw[:at], None),
        ("a byte flipped", raw[:at] + bytes([raw[at] ^ (1 << chance.randrange(8))]) + raw[at + 1 :], None),
        ("a line dropped", "".join(lines[:line] + lines[line + 1 :]).encode(), None),
        ("a line twice", "".join(lines[: line + 1] + lines[line:]).encode(), None),
        ("a line indented", "".join([*lines[:line], " " + lines[line], *lines[line + 1 :]]).encode(), None),
    ]
    done, content, meaning = chance.choice(cases)
    return Mutation(number, f"the file {done}", (), content, meaning)


def _root(text: str) -> yaml.Node:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert node is not None
    return node


def _values(
    node: yaml.Node, prefix: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], yaml.Node]]:
    """Every value with its path."""
    items: list[tuple[str | int, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        items = [(key.value, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        items = list(enumerate(node.value))
    for key, value in items:
        yield (*prefix, key), value
        yield from _values(value, (*prefix, key))


def _at(params: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        params = params[part]
    return params


def _with(params: Any, path: tuple[str | int, ...], value: Any) -> Any:
    _at(params, path[:-1])[path[-1]] = copy.deepcopy(value)
    return params


def _dumped(params: Any) -> bytes:
    return yaml.safe_dump(params, allow_unicode=True, sort_keys=False).encode()
