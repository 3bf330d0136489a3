"""Means of clean, adversarial and expected accuracy over cells: by backbone, by dataset, by strategy, and of all."""

from collections.abc import Iterator

import pandas as pd

from tradeoff.analysis.cells import MEASURES, complete, final_means, over_cells
from tradeoff.artifacts.comparisons import budgets_noted, methods_noted, varied, words
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.overlays import prefixed, published_columns, published_of
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.tables.shares import share_cells
from tradeoff.params.epsilon import format_epsilon


def make(results: Results) -> Table:
    """Set one row per ε_g, group of cells and objective, in percent; `Cells` says how many a mean is of.

    Only objectives that every cell has at that ε_g count, so that means compare like with like.
    """
    ends = final_means(results.study, results.probes, results.threat.probe)
    ends = ends.dropna(subset="adversarial")
    cells = complete(ends)
    data = pd.concat(list(_groups(results, cells)), ignore_index=True)
    columns = {name.capitalize(): (name,) for name in MEASURES} | published_columns(data)
    rows = []
    for (budget, over), block in data.groupby(["epsilon_g", "over"], sort=False):
        values = [share_cells(block, *names) for names in columns.values()]
        for index, row in enumerate(block.to_dict("records")):
            about = [format_epsilon(float(str(budget))), str(over), method_look(row["method"]).label]
            rows.append([*map(Cell, about), Cell(str(row["cells"])), *(column[index] for column in values)])
    caption = (
        f"{results.study['study']['title']}: means over cells under {results.attack_label}, in percent at the last"
        f" snapshot{budgets_noted(results, cells)}{methods_noted(ends, cells)}. Bold: best; underlined: second."
    )
    return Table(caption, ["ε_g", "Mean over", "Objective", "Cells", *columns], rows, data, left=3)


def _groups(results: Results, cells: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Means of all cells, then by each thing that varies, ours and those published of the same cells."""
    reference = published_of(cells)
    for budget in sorted(cells["epsilon_g"].unique()):
        chosen, known = (table[table["epsilon_g"] == budget] for table in (cells, reference))
        yield _means(chosen, known).assign(epsilon_g=budget, over="all cells")
        for key in varied(results):
            for level in chosen[key].drop_duplicates():
                parts = (table[table[key] == level] for table in (chosen, known))
                yield _means(*parts).assign(epsilon_g=budget, over=words(results, key, level))


def _means(cells: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    means = over_cells(cells, ["method"])
    beside = prefixed(over_cells(reference, ["method"]))
    # A mean over other cells would be no counterpart.
    return means.merge(beside, on=["method", "cells"], how="left")
