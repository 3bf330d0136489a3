"""Trade-off AUC of every strategy on every dataset."""

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from tradeoff.analysis.points import PANEL
from tradeoff.artifacts.audits import audit_note
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table, ranked
from tradeoff.artifacts.text import interval, signed
from tradeoff.params.epsilon import format_epsilon

DECIMALS = 3


def make(results: Results) -> Table:
    """Set strategies in rows and datasets in columns, a block of rows per backbone, objective and threat.

    The last column averages, over datasets, how far a strategy lies above the average of strategies.
    """
    areas = results.areas
    datasets = list(dict.fromkeys(panel.dataset for panel in results.panels))
    blocks = ["backbone", "objective", "probe", "epsilon"]
    shown = [key for key in blocks if areas[key].nunique() > 1]
    rows = []
    for keys, block in areas.groupby(blocks, sort=False):
        words = [_words(key, value) for key, value in zip(blocks, keys, strict=True) if key in shown]
        rows += [[*map(Cell, words), *cells] for cells in _block(block, datasets, results.families)]
    confidence = results.study["params"]["tradeoff"]["confidence"]
    caption = (
        f"{results.study['study']['title']}: trade-off AUC, the area between the frontier of accuracy and"
        f" robustness and (0, 0), with {confidence * 100:g}% intervals{_constant(areas, blocks, shown)}."
        f" Bold: best; underlined: second.{audit_note(results)}"
    )
    header = [*map(str.capitalize, shown), "Strategy", *datasets, "Above average (%)"]
    return Table(
        caption, header, rows, areas[[*PANEL, *(c for c in areas if c not in PANEL)]], left=len(shown) + 1
    )


def _block(block: pd.DataFrame, datasets: list[str], families: list[str]) -> Iterator[list[Cell]]:
    present = [family for family in families if family in set(block["family"])]
    columns = []
    for dataset in datasets:
        rows = block[block["dataset"] == dataset].set_index("family").reindex(present)
        ranks = ranked(rows["auc"].tolist(), DECIMALS)
        cells = [_cell(row, rank) for row, rank in zip(rows.to_dict("records"), ranks, strict=True)]
        columns.append(cells)
    above = block.groupby("family")["above_average"].mean().reindex(present) * 100
    last = [
        Cell("—" if np.isnan(value) else signed(value, 1), rank=rank)
        for value, rank in zip(above, ranked(above.tolist(), 1), strict=True)
    ]
    for index, family in enumerate(present):
        yield [Cell(look(family).label), *(column[index] for column in columns), last[index]]


def _cell(row: dict[Hashable, Any], rank: int) -> Cell:
    if np.isnan(row["auc"]):
        return Cell("—")
    return Cell(f"{row['auc']:.{DECIMALS}f}", interval(row["low"], row["high"], DECIMALS), rank)


def _words(key: str, value: object) -> str:
    return format_epsilon(float(str(value))) if key == "epsilon" else str(value)


def _constant(areas: pd.DataFrame, blocks: list[str], shown: list[str]) -> str:
    """What all rows share, for the caption."""
    words = [f"{key} {_words(key, areas[key].iloc[0])}" for key in blocks if key not in shown]
    return "; " + ", ".join(words) if words else ""
