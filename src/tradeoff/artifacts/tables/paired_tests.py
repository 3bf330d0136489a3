"""Is one objective better than another, over all cells of a study? Paired tests."""

import itertools
from collections.abc import Iterator
from typing import Any

import pandas as pd

from tradeoff import published
from tradeoff.analysis.cells import CELL, MEASURES, final_means
from tradeoff.analysis.methods import methods
from tradeoff.analysis.paired import paired
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.overlays import UNDER
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.text import signed
from tradeoff.params.epsilon import format_epsilon

PUBLISHED = f"Ngnawé et al., {UNDER}"


def make(results: Results) -> Table:
    """Set one row per ε_g, pair of robust objectives and measure: differences within cells, first minus second.

    Below stand the same tests on the published numbers, where the study compares what they compare.
    """
    robust = [method.name for method in methods(results.study).values() if method.family != "standard"]
    names = list(dict.fromkeys(robust))
    ends = final_means(results.study, results.probes, results.threat.probe)
    tests = [row | {"source": "this study"} for row in compared(ends, names) if row["n"] > 1]
    if {"rft_fix", "rft_sched"} <= {run["objective_family"] for run in results.study["runs"]}:
        tests += [
            row | {"source": PUBLISHED}
            for row in compared(published.main_results(), ["rft_fix", "rft_sched"])
        ]
    data = pd.DataFrame(tests)
    rows = [[Cell(text) for text in _words(row)] for row in tests]
    header = [
        "Source",
        "ε_g",
        "Objectives",
        "Measure",
        "Cells",
        "Difference",
        "Higher in",
        "t",
        "p",
        "W",
        "p of W",
    ]
    caption = (
        f"{results.study['study']['title']}: paired tests over cells (dataset, backbone and strategy) under"
        f" {results.attack_label}. Difference: its mean in percentage points; higher in: cells in which the first"
        " objective is better; t: Student's paired test; W: Wilcoxon's signed ranks; p two-sided, not corrected"
        " for their number. Objectives that share a single cell are not compared."
    )
    return Table(caption, header, rows, data, left=4)


def compared(table: pd.DataFrame, names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield a test for each ε_g, pair of its methods (later minus earlier) and measure, over cells that have both.

    table: one row per cell, ε_g and method, with the measures.
    """
    for budget in sorted(table["epsilon_g"].unique()):
        wide = table[table["epsilon_g"] == budget].pivot(
            index=list(CELL), columns="method", values=list(MEASURES)
        )
        here = [name for name in names if name in wide["clean"]]
        for (second, first), measure in itertools.product(itertools.combinations(here, 2), MEASURES):
            result = paired(wide[measure][first], wide[measure][second])
            yield {"epsilon_g": budget, "first": first, "second": second, "measure": measure} | vars(result)


def _words(row: dict[str, Any]) -> list[str]:
    pair = " − ".join(method_look(row[name]).label for name in ("first", "second"))
    tests = [
        _number(row[name], pattern)
        for name, pattern in (("t", ".2f"), ("p", ".2g"), ("w", "g"), ("w_p", ".2g"))
    ]
    return [
        row["source"],
        format_epsilon(row["epsilon_g"]),
        pair,
        row["measure"],
        str(row["n"]),
        "—" if pd.isna(row["mean"]) else signed(row["mean"] * 100, 1),
        f"{row['wins']} of {row['n']}",
        *tests,
    ]


def _number(value: float, pattern: str) -> str:
    return "—" if pd.isna(value) else f"{value:{pattern}}".replace("-", "\N{MINUS SIGN}")
