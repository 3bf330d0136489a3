"""Accuracy under common corruptions and the mean corruption error of every strategy, at the last snapshot."""

from collections.abc import Hashable
from typing import Any

import pandas as pd

from tradeoff.analysis.corruption_error import (
    CLEAN,
    CORRUPTED,
    by_corruption,
    mean_corruption_error,
    over_corruptions,
)
from tradeoff.analysis.points import PANEL, over_seeds
from tradeoff.analysis.study_file import probes_of_kind
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Panel, Results
from tradeoff.artifacts.tables import Cell, Table, ranked
from tradeoff.artifacts.text import interval

# The strategy whose errors are 100%, where a study has it; else its first.
REFERENCE = "full"


def make(results: Results) -> Table:
    """Set one row per panel and strategy (each variant of a sweep its own), in percent, of the first such probe."""
    probe = probes_of_kind(results.study, "corruption")[0]
    joined = over_seeds(over_corruptions(results.probes, probe), [CLEAN, CORRUPTED])
    last = joined.loc[joined.groupby([*PANEL, "strategy"], sort=False)["step"].idxmax()]
    accuracies = by_corruption(results.probes, probe)
    reference = _reference(accuracies)
    data = last.assign(
        mce=[_error(accuracies, row, reference) for row in last.to_dict("records")], reference=reference
    )
    rows = [row for panel in results.panels for row in _rows(panel, data)]
    caption = (
        f"{results.study['study']['title']}: accuracy on clean and on corrupted images (probe {probe}: mean over"
        " corruptions and severities) in percent at the last snapshot, with 95% intervals, and the mean"
        f" corruption error (mCE), {look(reference).label} being 100%. Bold: best of its dataset; underlined: second."
    )
    header = ["Dataset", "Strategy", "Accuracy", "Corrupted accuracy", "mCE (%)"]
    return Table(caption, header, rows, data, left=2)


def _reference(accuracies: pd.DataFrame) -> str:
    strategies = list(accuracies["strategy"].unique())
    return REFERENCE if REFERENCE in strategies else strategies[0]


def _error(accuracies: pd.DataFrame, row: dict[Hashable, Any], reference: str) -> float:
    panel = accuracies[(accuracies[PANEL] == [row[key] for key in PANEL]).all(axis=1)]
    wide = panel.pivot(index="corruption", columns="strategy", values="accuracy")
    return mean_corruption_error(wide[row["strategy"]].tolist(), wide[reference].tolist())


def _rows(panel: Panel, data: pd.DataFrame) -> list[list[Cell]]:
    block = panel.rows(data)
    columns = [_shares(block, *CLEAN), _shares(block, *CORRUPTED)]
    errors = (block["mce"] * 100).tolist()
    # The smallest error is the best.
    ranks = ranked([-error for error in errors], 1)
    columns.append(
        [
            Cell("—" if pd.isna(error) else f"{error:.1f}", "", rank)
            for error, rank in zip(errors, ranks, strict=True)
        ]
    )
    names = [f"{look(row['family']).label} {row['variant']}".strip() for row in block.to_dict("records")]
    return [[Cell(panel.name), Cell(name), *cells] for name, *cells in zip(names, *columns, strict=True)]


def _shares(block: pd.DataFrame, value: str, low: str, high: str) -> list[Cell]:
    percent = block[[value, low, high]] * 100
    ranks = ranked(percent[value].tolist(), 1)
    return [
        Cell(f"{row[0]:.1f}", interval(row[1], row[2], 1), rank)
        for row, rank in zip(percent.to_numpy(), ranks, strict=True)
    ]
