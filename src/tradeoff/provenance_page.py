"""The page of a study's provenance, for people: Markdown, made of provenance.json alone."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from tradeoff.seals import DIGITS

Product = dict[str, Any]

# Sections of the page: kind of product, title, and what its column of origin says.
KINDS = {
    "probe": "Probes",
    "run": "Runs",
    "task": "Tasks",
    "backbone": "Backbones",
    "packed data": "Packed data",
    "fetched data": "Fetched data",
}
INTRODUCTION = """\
Each figure and table, with the chain back to the data it rests on: what stands left of an arrow was made from what
stands right of it. Of a sha256, the first {digits} digits are shown; `provenance.json` beside this page has them whole,
and with them all settings. `make verify STUDY={name}` compares every file with them. A command makes one link of a
chain again.
"""


def page(content: dict[str, Any]) -> str:
    """Return the page of what `tradeoff.provenance.provenance` returns."""
    study, products = content["study"], content["products"]
    parts = [
        f"# Where the figures and tables of {study['title'] or study['name']} come from",
        INTRODUCTION.format(digits=DIGITS, name=study["name"]).strip(),
        f"Settings of the study: `{_short(study['params'])}`.",
    ]
    for kind, title in (("figure", "Figures"), ("table", "Tables")):
        parts.append(f"## {title}")
        parts += [_artifact(name, products) for name in products if products[name]["kind"] == kind]
    for kind, title in KINDS.items():
        parts.append(f"## {title}")
        parts.append(
            _listed({name: product for name, product in products.items() if product["kind"] == kind})
        )
    for key, title in (("versions", "Libraries"), ("hardware", "Hardware")):
        parts.append(f"## {title}")
        parts.append(_counted([product[key] for product in products.values() if key in product]))
    return "\n\n".join(parts) + "\n"


def _artifact(name: str, products: dict[str, Product]) -> str:
    """A figure or table: its chain, its files, its command."""
    product = products[name]
    lines = [
        f"### {_name(name)}",
        " ← ".join([f"`{_name(name)}`", *_chain(name, products)]),
        _table(
            ["File", "sha256"], [[f"`{path}`", f"`{_short(sha)}`"] for path, sha in product["files"].items()]
        ),
        f"Code `{product['code']}`{_settings(product['params'])}. Again: `{product['command']}`",
    ]
    return "\n\n".join(lines)


def _chain(name: str, products: dict[str, Product]) -> list[str]:
    """What a product was made from, step by step: tables by name, jobs by their number."""
    ancestors: list[str] = []
    pending = [name]
    while pending:
        for source in products[pending.pop(0)]["from"]:
            if source not in ancestors:
                ancestors.append(source)
                pending.append(source)
    # In order from the artifact to the data: whoever is made from others comes before them.
    tables = sorted(
        (each for each in ancestors if products[each]["kind"] == "table"), key=list(products).index
    )
    steps = [f"`{_name(each)}`" for each in reversed(tables)]
    counts = Counter(products[each]["kind"] for each in ancestors)
    steps += [
        f"[{counts[kind]} {title.lower() if counts[kind] > 1 else kind}](#{title.lower().replace(' ', '-')})"
        for kind, title in KINDS.items()
        if counts[kind]
    ]
    return steps


def _listed(products: dict[str, Product]) -> str:
    rows = [
        [
            f"`{_name(name)}`",
            ", ".join(f"{PurePath(path).name} `{_short(sha)}`" for path, sha in product["files"].items()),
            str(product.get("seed", "")),
            f"`{product['code']}`" if "code" in product else "",
            _origin(product.get("source", {})),
            f"`{product['command']}`",
        ]
        for name, product in products.items()
    ]
    return _table(["What", "Files", "Seed", "Code", "From outside", "Again"], rows)


def _origin(source: dict[str, Any]) -> str:
    shown = ("kind", "source", "repository", "revision", "licence")
    return ", ".join(str(source[key]) for key in shown if source.get(key))


def _counted(values: Sequence[dict[str, Any]]) -> str:
    counts = Counter(json.dumps(value, sort_keys=True) for value in values)
    rows = [
        [", ".join(f"{key} {found}" for key, found in json.loads(value).items()), str(number)]
        for value, number in sorted(counts.items())
    ]
    return _table(["Made with", "Products"], rows)


def _settings(params: dict[str, Any]) -> str:
    return "".join(f", {key} {value}" for key, value in params.items())


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def _name(record: str) -> str:
    """How people call a product: its path below the study, without what makes it a record."""
    path = PurePath(record)
    name = path.name.removesuffix(".record.json")
    path = path.parent if name == path.name else path.with_name(name)
    return str(PurePath(*path.parts[2:]))


def _short(digest: str) -> str:
    return digest[:DIGITS]
