"""Is one objective better than another, over all cells of a study? Paired tests."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tradeoff import published
from tradeoff.analysis.cells import CELL, MEASURES, final_means
from tradeoff.analysis.intervals import mean_interval
from tradeoff.analysis.methods import methods
from tradeoff.analysis.paired import paired
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.overlays import UNDER
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.tables.counts import counted
from tradeoff.artifacts.text import interval, signed
from tradeoff.params.epsilon import format_epsilon

PUBLISHED = f"Ngnawé et al., {UNDER}"


def make(results: Results) -> Table:
    """Set one row per ε_g, pair of robust objectives and measure: differences within cells, first minus second.

    Below stand the same tests on the published numbers, where the study compares what they compare.
    """
    ends = final_means(results.study, results.probes, results.threat.probe)
    tests = [row | {"source": "this study"} for row in of_study(results, ends)]
    beside: list[dict[str, Any]] = []
    if {"rft_fix", "rft_sched"} <= {run["objective_family"] for run in results.study["runs"]}:
        beside = [
            row | {"source": PUBLISHED}
            for row in paired_rows(published.main_results(), ["rft_fix", "rft_sched"])
        ]
    data = pd.DataFrame([*tests, *beside])
    rows = [_cells(row) for row in [*tests, *beside]]
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
        f" {results.attack_label}{counted(ends)}. Difference: its mean in percentage points, with Student's 95%"
        " interval over cells; higher in: cells in which the first objective is better; t: Student's paired"
        " test; W: Wilcoxon's signed ranks; p two-sided, not corrected for their number. Objectives that share a"
        f" single cell are not compared.{_erratum(beside)}"
    )
    return Table(caption, header, rows, data, left=4)


def of_study(results: Results, ends: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the tests of a study's robust objectives that share several cells. ends: its `cells.final_means`."""
    robust = [method.name for method in methods(results.study).values() if method.family != "standard"]
    yield from (row for row in paired_rows(ends, list(dict.fromkeys(robust))) if row["n"] > 1)


def paired_rows(table: pd.DataFrame, names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield a test for each ε_g, pair of its methods (later minus earlier) and measure, over cells that have both.

    table: one row per cell, ε_g and method, with the measures. Each has the fields of `paired.Paired`, and low and
    high: Student's 95% limits of the mean difference, NaN where there is no t-test.
    """
    for budget in sorted(table["epsilon_g"].unique()):
        wide = table[table["epsilon_g"] == budget].pivot(
            index=list(CELL), columns="method", values=list(MEASURES)
        )
        here = [name for name in names if name in wide["clean"]]
        for (second, first), measure in itertools.product(itertools.combinations(here, 2), MEASURES):
            values = wide[measure][first], wide[measure][second]
            about = {"epsilon_g": budget, "first": first, "second": second, "measure": measure}
            low, high = mean_interval((values[0] - values[1]).dropna(), fewest=2)
            yield about | vars(paired(*values)) | {"low": low, "high": high}


def _erratum(beside: list[dict[str, Any]]) -> str:
    """What the paper's text says otherwise than its tables, where their tests are shown."""
    found = [
        row for row in beside if row["measure"] == "adversarial" and np.isclose(row["epsilon_g"], 8 / 255)
    ]
    return "".join(
        f" Erratum of Ngnawé et al.: at {format_epsilon(row['epsilon_g'])} their numbers favour the schedule under"
        f" attack in {row['wins']} of {row['n']} cells, not in the 28 of their text."
        for row in found
    )


def _cells(row: dict[str, Any]) -> list[Cell]:
    pair = " − ".join(method_look(row[name]).label for name in ("first", "second"))
    tests = [
        _number(row[name], pattern)
        for name, pattern in (("t", ".2f"), ("p", ".2g"), ("w", "g"), ("w_p", ".2g"))
    ]
    difference = Cell("—")
    if not pd.isna(row["mean"]):
        limits = interval(row["low"] * 100, row["high"] * 100, 1)
        difference = Cell(signed(row["mean"] * 100, 1), limits)
    before = [row["source"], format_epsilon(row["epsilon_g"]), pair, row["measure"], str(row["n"])]
    return [*map(Cell, before), difference, *map(Cell, [f"{row['wins']} of {row['n']}", *tests])]


def _number(value: float, pattern: str) -> str:
    return "—" if pd.isna(value) else f"{value:{pattern}}".replace("-", "\N{MINUS SIGN}")
