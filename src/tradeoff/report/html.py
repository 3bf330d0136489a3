"""Small pieces of HTML, with everything that comes from params or results escaped."""

import html
from collections.abc import Iterable, Sequence

from tradeoff.artifacts.tables import Cell, Table

# Of a table that is a page of its own.
STYLE = (
    "body { margin: 1rem; color: #1b1b1b; background: #fff;"
    " font: 1rem/1.5 system-ui, 'Segoe UI', 'Liberation Sans', Arial, sans-serif; }"
    "table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }"
    "th, td { padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top; }"
    "thead th { border-bottom: 1.5px solid; } tbody tr + tr td { border-top: 1px solid #ececec; }"
    ".number { text-align: right; white-space: nowrap; } small, .caption { color: #5a5a5a; }"
    ".caption { max-width: 60rem; } .scrolls { overflow-x: auto; }"
)
MARKS = {0: "{}", 1: "<strong>{}</strong>", 2: "<u>{}</u>"}


def escaped(value: object) -> str:
    """Return a value's text, safe between tags and in quoted attributes."""
    return html.escape(str(value))


def table(source: Table) -> str:
    """Return an artifact's table: best bold, second underlined, its caption above."""
    return plain_table(source.header, source.rows, source.left, source.caption)


def plain_table(
    header: Sequence[str], rows: Iterable[Sequence[Cell | str]], left: int = 1, caption: str = ""
) -> str:
    """Return a table in a box that scrolls where it is too wide; the first `left` columns are words."""
    titles = "".join(f"<th scope=col{_side(i, left)}>{escaped(title)}</th>" for i, title in enumerate(header))
    body = "\n".join(
        "<tr>" + "".join(f"<td{_side(i, left)}>{_cell(cell)}</td>" for i, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    about = f"<p class=caption>{escaped(caption)}</p>" if caption else ""
    label = escaped(caption or ", ".join(header))
    return (
        f'{about}<div class=scrolls tabindex=0 role=region aria-label="{label}"><table>'
        f"<thead><tr>{titles}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def document(source: Table, title: str) -> str:
    """Return a page with a table alone, for Snakemake's report, which shows other text as it is."""
    head = f"<meta charset=utf-8><title>{escaped(title)}</title><style>{STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{table(source)}</body></html>\n'


def details(summary: str, content: str) -> str:
    """Return content that opens on demand."""
    return f"<details><summary>{escaped(summary)}</summary>{content}</details>"


def _side(column: int, left: int) -> str:
    return "" if column < left else " class=number"


def _cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return escaped(cell)
    small = f" <small>{escaped(cell.small)}</small>" if cell.small else ""
    return MARKS[cell.rank].format(escaped(cell.text)) + small
