"""Means of clean, adversarial and expected accuracy over cells: by backbone, by dataset, by strategy, and of all."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tradeoff import published
from tradeoff.analysis.cells import MEASURES, complete, final_means, over_cells
from tradeoff.analysis.intervals import mean_interval
from tradeoff.artifacts.comparisons import budgets_noted, methods_noted, varied, words
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.overlays import prefixed, published_columns, published_of
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.tables.counts import counted
from tradeoff.artifacts.tables.shares import share_cells
from tradeoff.artifacts.text import two_noted
from tradeoff.params.epsilon import format_epsilon


def make(results: Results) -> Table:
    """Set one row per ε_g, group of cells and objective, in percent; `Cells` says how many a mean is of.

    Only objectives that every cell has at that ε_g count, so that means compare like with like.
    """
    ends, cells = comparable_cells(results)
    data = pd.concat(list(_groups(results, cells)), ignore_index=True)
    titles: dict[str, tuple[str, ...]] = {
        name.capitalize(): (name, f"{name}_low", f"{name}_high") for name in MEASURES
    }
    columns = titles | published_columns(data)
    rows = []
    for (budget, over), block in data.groupby(["epsilon_g", "over"], sort=False):
        values = [share_cells(block, *names) for names in columns.values()]
        for index, row in enumerate(block.to_dict("records")):
            about = [format_epsilon(float(str(budget))), str(over), method_look(row["method"]).label]
            rows.append([*map(Cell, about), Cell(str(row["cells"])), *(column[index] for column in values)])
    caption = (
        f"{results.study['study']['title']}: means over cells under {results.attack_label}, in percent at the last"
        f" snapshot{budgets_noted(results, cells)}{methods_noted(ends, cells)}; in brackets 95% intervals over cells"
        f" (Student's), where they differ{two_noted(data['cells'], 'cells')}{counted(cells)}. Bold: best; underlined:"
        f" second.{_erratum(data)}"
    )
    return Table(caption, ["ε_g", "Mean over", "Objective", "Cells", *columns], rows, data, left=3)


def comparable_cells(results: Results) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the ends of runs in every cell (`cells.final_means`), and those of them that means may compare."""
    ends = final_means(results.study, results.probes, results.threat.probe).dropna(subset="adversarial")
    return ends, complete(ends)


def means(cells: pd.DataFrame) -> pd.DataFrame:
    """Return `cells.over_cells` of each method with limits, columns ending in _low and _high.

    They are Student's 95% limits over cells; of two cells they span both; NaN where cells do not differ.
    """
    table = over_cells(cells, ["method"])
    for measure in MEASURES:
        limits = [mean_interval(cells.loc[cells["method"] == method, measure]) for method in table["method"]]
        table[[f"{measure}_low", f"{measure}_high"]] = np.clip(np.array(limits).reshape(-1, 2), 0, 1)
    return table


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
    beside = prefixed(over_cells(reference, ["method"]))
    # A mean over other cells would be no counterpart.
    return means(cells).merge(beside, on=["method", "cells"], how="left")


def _erratum(data: pd.DataFrame) -> str:
    """What Table 10 of Ngnawé et al. prints otherwise, where that mean is shown."""
    theirs = published.main_results()
    vit = theirs[theirs["backbone"].eq("vit_b16_augreg_in1k") & theirs["method"].eq("rft_fix")]
    mean = vit.loc[np.isclose(vit["epsilon_g"], 8 / 255), "clean"].mean()
    shown = data["method"].eq("rft_fix") & np.isclose(data["epsilon_g"], 8 / 255)
    if not np.isclose(data.loc[shown, "published_clean"], mean).any():
        return ""
    return (
        " Erratum of Ngnawé et al.: the clean mean of vit_b16_augreg_in1k with a fixed ε at 8/255 is"
        f" {mean * 100:.2f}, where their Table 10 prints 15.59."
    )
