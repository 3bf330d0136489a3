"""Trade-off AUC of every strategy on every dataset."""

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from tradeoff.analysis.points import PANEL, under
from tradeoff.analysis.study_file import telling
from tradeoff.artifacts.audits import audit_note
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import MOST_ROWS, Cell, Table, ranked
from tradeoff.artifacts.tables.counts import counted
from tradeoff.artifacts.text import interval, signed, two_noted
from tradeoff.params.epsilon import format_epsilon

DECIMALS = 3
# What has rows of its own, where it varies.
BLOCKS = {"backbone": "Backbone", "objective": "Objective", "probe": "Attack", "epsilon": "ε"}


def make(results: Results) -> Table:
    """Set strategies in rows and datasets in columns, a block of rows per backbone, objective and threat.

    The last column averages, over datasets, how far a strategy lies above the average of strategies. What would not fit
    a page keeps the headline threat alone; the CSV has all.
    """
    areas = results.areas[
        [
            bool(telling(results.study, probe, [epsilon]))
            for probe, epsilon in zip(results.areas["probe"], results.areas["epsilon"], strict=True)
        ]
    ]
    data = areas[[*PANEL, *(c for c in areas if c not in PANEL)]]
    areas = areas.assign(objective=areas["objective"].map(results.objective_labels))
    datasets = list(dict.fromkeys(panel.dataset for panel in results.panels))
    left_out = ""
    headline = under(areas, results.threat)
    if len(areas.drop_duplicates([*BLOCKS, "family"])) > MOST_ROWS and len(headline) < len(areas):
        areas, left_out = headline, " The other threats are in auc.csv."
    areas = areas.assign(probe=areas["probe"].map(results.attack_labels))
    shown = [key for key in BLOCKS if areas[key].nunique() > 1]
    rows = []
    for keys, block in areas.groupby([*BLOCKS], sort=False):
        first = [words(key, value) for key, value in zip(BLOCKS, keys, strict=True) if key in shown]
        rows += [[*map(Cell, first), *cells] for cells in _block(block, datasets, results.families)]
    confidence = results.study["params"]["tradeoff"]["confidence"]
    caption = (
        f"{results.study['study']['title']}: trade-off AUC, the area between the frontier of accuracy and"
        f" robustness and (0, 0), with {confidence * 100:g}% intervals{two_noted(areas['seeds'])}"
        f"{shared(areas, shown)}{counted(areas, 'samples')}. Above average: over the mean of the strategies,"
        f" averaged over datasets. Bold: best; underlined: second.{left_out}{audit_note(results)}"
    )
    header = [
        *map(BLOCKS.__getitem__, shown),
        "Strategy",
        *map(results.dataset_labels.__getitem__, datasets),
        "Above average (%)",
    ]
    return Table(caption, header, rows, data, left=len(shown) + 1)


def _block(block: pd.DataFrame, datasets: list[str], families: list[str]) -> Iterator[list[Cell]]:
    present = [family for family in families if family in set(block["family"])]
    columns = []
    for dataset in datasets:
        rows = block[block["dataset"] == dataset].set_index("family").reindex(present)
        columns.append(area_cells(rows))
    above = block.groupby("family")["above_average"].mean().reindex(present) * 100
    if len(present) == 1:
        above[:] = np.nan  # one alone has no average to be above of
    last = [
        Cell("—" if np.isnan(value) else signed(value, 1), rank=rank)
        for value, rank in zip(above, ranked(above.tolist(), 1), strict=True)
    ]
    for index, family in enumerate(present):
        yield [Cell(look(family).label), *(column[index] for column in columns), last[index]]


def area_cells(rows: pd.DataFrame) -> list[Cell]:
    """Return a column of areas (auc, low, high), ranked among each other."""
    ranks = ranked(rows["auc"].tolist(), DECIMALS)
    return [_cell(row, rank) for row, rank in zip(rows.to_dict("records"), ranks, strict=True)]


def _cell(row: dict[Hashable, Any], rank: int) -> Cell:
    if np.isnan(row["auc"]):
        return Cell("—")
    return Cell(f"{row['auc']:.{DECIMALS}f}", interval(row["low"], row["high"], DECIMALS), rank)


def words(key: str, value: object) -> str:
    """Return a value of a block's key as the table prints it."""
    return format_epsilon(float(str(value))) if key == "epsilon" else str(value)


def shared(areas: pd.DataFrame, shown: list[str]) -> str:
    """Say for the caption what all rows share: the keys of blocks that are not `shown` in columns."""
    same = [
        f"{title.lower()} {words(key, areas[key].iloc[0])}"
        for key, title in BLOCKS.items()
        if key not in shown
    ]
    return "; " + ", ".join(same) if same else ""
