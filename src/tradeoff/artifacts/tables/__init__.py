"""One module per table: `make(results)` returns a `Table`; here is how it becomes CSV, Markdown and LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tradeoff.files import whole_file

_LATEX = {character: "\\" + character for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "ε": r"$\varepsilon$",
    "β": r"$\beta$",
    "ℓ": r"$\ell$",
    "∞": r"$\infty$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "³": r"\textsuperscript{3}",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{MINUS SIGN}": "$-$",
}


# More rows than this do not fit a page.
MOST_ROWS = 40


@dataclass(frozen=True)
class Cell:
    """One cell: text, what stands small beside it (an interval), and rank (1 best, 2 second, 0 other)."""

    text: str
    small: str = ""
    rank: int = 0


@dataclass(frozen=True)
class Table:
    """A table as a reader sees it, and the plain numbers behind it.

    header: one title per column; the first `left` columns are words. rows: cells, as long as header.
    caption: one sentence, for LaTeX and above the Markdown. data: for the CSV.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    data: pd.DataFrame
    left: int = 1


def write(table: Table, output: Path) -> None:
    """Write output.csv, output.md and output.tex, each whole or not at all."""
    with whole_file(output.with_name(f"{output.name}.csv")) as temporary:
        table.data.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    for kind, text in (("md", markdown(table)), ("tex", latex(table, output.name))):
        with whole_file(output.with_name(f"{output.name}.{kind}")) as temporary:
            temporary.write_text(text, encoding="utf-8")


def markdown(table: Table) -> str:
    """Return the table as Markdown: best bold, second underlined."""
    lines = [list(table.header), ["---"] * table.left + ["---:"] * (len(table.header) - table.left)]
    lines += [[_markdown_cell(cell) for cell in row] for row in table.rows]
    return table.caption + "\n\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines)


def latex(table: Table, name: str) -> str:
    """Return the table as LaTeX for the package booktabs, labelled `tab:<name>`: best bold, second underlined.

    A table too long for a page is one for the package longtable.
    """
    columns = "l" * table.left + "r" * (len(table.header) - table.left)
    caption = f"\\caption{{{escaped(table.caption)}}}\\label{{tab:{name}}}"
    head = ["\\toprule", " & ".join(map(escaped, table.header)) + r" \\", "\\midrule"]
    body = [" & ".join(map(_latex_cell, row)) + r" \\" for row in table.rows]
    if len(body) > MOST_ROWS:
        lines = [
            "% needs \\usepackage{booktabs,longtable}",
            "\\begingroup\\footnotesize\\setlength\\tabcolsep{4pt}",
            f"\\begin{{longtable}}{{{columns}}}",
            caption + r" \\",
            *(*head, "\\endfirsthead", *head, "\\endhead", "\\bottomrule", "\\endfoot"),
            *body,
            "\\end{longtable}",
            "\\endgroup",
        ]
    else:
        lines = [
            "% needs \\usepackage{booktabs}",
            "\\begin{table}",
            caption,
            "\\centering\\small",
            f"\\begin{{tabular}}{{{columns}}}",
            *(*head, *body, "\\bottomrule"),
            "\\end{tabular}",
            "\\end{table}",
        ]
    return "\n".join(lines) + "\n"


def ranked(values: Sequence[float], decimals: int) -> list[int]:
    """Return 1 for the highest values, 2 for the next, 0 for others; values that print alike rank alike.

    A single value, and NaN, has rank 0.
    """
    shown = np.round(np.asarray(values, dtype=float), decimals)
    levels = sorted({float(value) for value in shown if not np.isnan(value)}, reverse=True)
    if len(levels) < 2:
        return [0] * len(values)
    return [levels.index(float(value)) + 1 if value in levels[:2] else 0 for value in shown]


def _markdown_cell(cell: Cell) -> str:
    text = cell.text.replace("|", r"\|")
    text = {1: f"**{text}**", 2: f"<u>{text}</u>"}.get(cell.rank, text)
    return f"{text} {cell.small}".rstrip()


def _latex_cell(cell: Cell) -> str:
    text = escaped(cell.text)
    text = {1: f"\\textbf{{{text}}}", 2: f"\\underline{{{text}}}"}.get(cell.rank, text)
    return f"{text} {{\\scriptsize {escaped(cell.small)}}}" if cell.small else text


def escaped(text: str) -> str:
    """Return text with the characters that are special in LaTeX escaped."""
    parts = ["".join(_LATEX.get(character, character) for character in part) for part in text.split("ε_g")]
    return r"$\varepsilon_g$".join(parts)
