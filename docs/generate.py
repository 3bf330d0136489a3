"""Pages that are made when the site is built: the params from their schema, the rules from the Snakefile, the API.

mkdocs calls `on_config` and `on_files` (`hooks` in mkdocs.yml). The graph of the rules is kept, so that pages show it
where no site is built; after a change of rules, `make docs`, or this by itself, draws it anew:

    python -m docs.generate
"""

import html
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "tradeoff"
GRAPH = ROOT / "docs" / "images" / "rules.svg"
NONE = object()  # no default

Schema = dict[str, Any]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List every how-to under "How to", by name."""
    assert config.nav is not None
    pages = sorted((ROOT / "docs" / "how-to").glob("*.md"))
    for section in config.nav:
        if "How to" in section:
            section["How to"] = [str(page.relative_to(ROOT / "docs")) for page in pages]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    schema = json.loads((ROOT / "schemas" / "params.schema.json").read_text())
    defaults = yaml.safe_load((ROOT / "params.yaml").read_text())
    made = {
        "reference/params.md": params_page(schema, defaults),
        "reference/rules.md": rules_page(),
        "reference/api.md": api_page(),
    }
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


# The params, from their schema.


def params_page(schema: Schema, defaults: dict[str, Any]) -> str:
    """Return a page with a table for each section of params.yaml."""
    parts = [
        "# Params",
        "Every key of `params.yaml`, from its schema; the values are those of the default study. A study of your own"
        " states what differs from them.",
    ]
    for section, about in schema["properties"].items():
        parts.append(f"## {section}\n\n{_sentence(about)}")
        for title, block, values in _blocks(section, about, defaults.get(section, NONE)):
            rows = [
                f"| `{key}` | {_kind(one)} | {_value(values.get(key, NONE))} | {_cell(one.get('description', ''))} |"
                for key, one in block["properties"].items()
            ]
            heading = f"### {title}\n\n{_sentence(block)}\n\n" if title != section else ""
            parts.append(
                heading + "| key | value | default study | what |\n|---|---|---|---|\n" + "\n".join(rows)
            )
    return "\n\n".join(parts) + "\n"


def _blocks(path: str, about: Schema, value: Any) -> Iterator[tuple[str, Schema, dict[str, Any]]]:
    """The mappings with known keys below a section: title, schema, values of the default study."""
    value = value if isinstance(value, dict) else {}
    if "properties" in about:
        nested = {key: one for key, one in about["properties"].items() if _is_section(path, one)}
        own = {key: one for key, one in about["properties"].items() if key not in nested}
        if own:
            yield path, about | {"properties": own}, value
        for key, one in nested.items():
            yield from _blocks(f"{path}.{key}", one, value.get(key, NONE))
    for one in about.get("patternProperties", {}).values():
        yield from _blocks(f"{path}.NAME", one, next(iter(value.values()), NONE))
    if about.get("items", {}).get("properties"):
        yield f"{path}, each entry", about["items"], {}
    for choice in about.get("allOf", []):
        condition = ", ".join(f"{key}: {one['const']}" for key, one in choice["if"]["properties"].items())
        fits = all(value.get(key) == one["const"] for key, one in choice["if"]["properties"].items())
        title = f"{path} with {condition}" if " with " not in path else f"{path}, {condition}"
        yield from _blocks(title, choice["then"], value if fits else NONE)


def _is_section(path: str, one: Schema) -> bool:
    """Sections have tables of their own, except those that repeat another section key by key."""
    return one.get("type") == "object" and "properties" in one and not path.startswith("strategies.")


def _kind(one: Schema) -> str:
    """What values a key takes, in words."""
    if "const" in one:
        return f"`{one['const']}`"
    if "enum" in one:
        return ", ".join(f"`{value}`" for value in one["enum"])
    if "anyOf" in one:
        return " or ".join(dict.fromkeys(_kind(choice) for choice in one["anyOf"]))
    kinds = one.get("type", "object")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = {"object": "mapping", "array": "list", "string": "text", "integer": "whole number"}
    limits = [
        f"{sign} {one[key]:g}"
        for key, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if key in one
    ]
    kind = " or ".join(words.get(name, name) for name in kinds)
    if "items" in one:
        kind += f" of {_kind(one['items'])}"
    return " ".join([kind, ", ".join(limits)]).strip()


def _value(value: Any) -> str:
    if value is NONE:
        return ""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return f"`{_cell(text.removesuffix('...' + chr(10)).strip())}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _sentence(about: Schema) -> str:
    """A description as a sentence of its own, or nothing."""
    text = str(about.get("description", "")).removesuffix(".")
    return f"{text[0].upper()}{text[1:]}." if text else ""


# The rules, from the Snakefile.


def rule_graph() -> dict[str, list[str]]:
    """Return, by rule, the rules that it takes files from, but for those implied by others of them.

    The rules of single figures are one, and so are those of single tables.
    """
    command = ["snakemake", "--rulegraph", "dot", "--quiet", "all"]
    graph = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = {
        number: re.sub(r"^(figure|table)_.*", r"\1_…", name)
        for number, name in re.findall(r'(\d+)\[label = "(\w+)"', graph)
    }
    parents: dict[str, list[str]] = {name: [] for name in sorted(set(names.values()))}
    for source, target in re.findall(r"(\d+) -> (\d+)", graph):
        if names[source] not in parents[names[target]]:
            parents[names[target]].append(names[source])
    return {name: sorted(_direct(name, parents)) for name in parents}  # Snakemake has them in any order


def _direct(name: str, parents: dict[str, list[str]]) -> list[str]:
    """The parents of a rule that no other of its parents descends from."""

    def above(one: str) -> set[str]:
        return {one}.union(*(above(parent) for parent in parents[one]))

    return [
        one
        for one in parents[name]
        if not any(one in above(other) for other in parents[name] if other != one)
    ]


def rules_page() -> str:
    """Return a page with the graph and what each rule does, in its own words."""
    rows = []
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for name, about in re.findall(r'^rule (\w+):\n    """(.*?)"""', path.read_text(), re.M | re.S):
            rows.append(f"| `{name}` | {path.name} | {_cell(' '.join(about.split()))} |")
    return (
        "# Rules\n\nThe jobs of the default study and what they take from one another, as Snakemake sees it,"
        " without lines that others imply. Each figure and each table is a rule of its own, `figure_<name>` and"
        " `table_<name>`.\n\n"
        "![Graph of the rules](../images/rules.svg)\n\n| rule | file | what it does |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def drawing(parents: dict[str, list[str]]) -> str:
    """Return the graph as SVG: every rule below all that it takes files from."""
    users: dict[str, list[str]] = {name: [] for name in parents}
    for name, sources in parents.items():
        for source in sources:
            users[source].append(name)

    def level(name: str) -> int:
        """How many rules follow at most: each stands just above the first that uses it."""
        return max((1 + level(user) for user in users[name]), default=0)

    highest = max(map(level, parents))
    rows: dict[int, list[str]] = {}
    for name in parents:
        rows.setdefault(highest - level(name), []).append(name)
    width, height, step = 150, 30, 70
    total = 20 + max(len(row) for row in rows.values()) * (width + 20)
    places = {
        name: (total / 2 + (index - (len(row) - 1) / 2) * (width + 20), 30 + step * depth)
        for depth, row in rows.items()
        for index, name in enumerate(row)
    }
    lines = []
    for name, sources in parents.items():
        x, y = places[name]
        for source in sources:
            a, b = places[source]
            lines.append(
                f'<path d="M{a:.0f} {b + height / 2:.0f} C{a:.0f} {b + step / 2:.0f} {x:.0f} {y - step / 2:.0f}'
                f' {x:.0f} {y - height / 2:.0f}" fill="none" stroke="#999"/>'
            )
    boxes = [
        f'<rect x="{x - width / 2:.0f}" y="{y - height / 2:.0f}" width="{width}" height="{height}" rx="6" fill="#fff"'
        f' stroke="#0072B2"/><text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle">{html.escape(name)}</text>'
        for name, (x, y) in places.items()
    ]
    box = f"0 0 {total} {60 + step * max(rows)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" font-family="sans-serif" font-size="13">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(lines + boxes)}</svg>\n'
    )


# The API, from docstrings.


def api_page() -> str:
    """Return a page that lists every public module of the library."""
    modules = sorted(
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE.rglob("*.py")
    )
    return "# Library\n\nThe package `tradeoff`, module by module.\n\n" + "\n".join(
        f"::: {name}\n" for name in modules
    )


if __name__ == "__main__":
    GRAPH.write_text(drawing(rule_graph()), encoding="utf-8")
