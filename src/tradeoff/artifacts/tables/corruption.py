"""Accuracy under common corruptions and the mean corruption error of every strategy, at the last snapshot."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from tradeoff.analysis.corruption_error import (
    CLEAN,
    CORRUPTED,
    by_corruption,
    mean_corruption_error,
    mean_corruption_error_limits,
    over_corruptions,
)
from tradeoff.analysis.points import PANEL, snapshot_means
from tradeoff.analysis.study_file import probes_of_kind
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Panel, Results
from tradeoff.artifacts.tables import Cell, Table, ranked
from tradeoff.artifacts.tables.counts import counted
from tradeoff.artifacts.text import interval, two_noted

# The objective and the strategy whose errors are 100%, where a study has them; else its first.
REFERENCE = ("standard", "full")
ERROR = ("mce", "mce_low", "mce_high")
# What identifies the model of a run, its seed apart, beside its dataset and backbone.
_MODEL = ["objective", "family", "strategy", "variant"]


def make(results: Results) -> Table:
    """Set one row per panel and strategy (each variant of a sweep its own), in percent, of the first such probe."""
    probe = probes_of_kind(results.study, "corruption")[0]
    joined = snapshot_means(over_corruptions(results.probes, probe), [CLEAN, CORRUPTED])
    last = joined.loc[joined.groupby([*PANEL, "strategy"], sort=False)["step"].idxmax()]
    accuracies = by_corruption(results.probes, probe)
    reference = _reference(accuracies)
    errors = [_error(accuracies, row, reference) for row in last.to_dict("records")]
    data = last.assign(
        **dict(zip(ERROR, zip(*errors, strict=True), strict=True)),
        reference=f"{reference['objective']}/{reference['strategy']}",
    )
    rows = [row for panel in results.panels for row in _rows(panel, data)]
    caption = (
        f"{results.study['study']['title']}: accuracy on clean and on corrupted images (probe {probe}: mean over"
        " corruptions and severities) in percent at the last snapshot, with 95% intervals, under"
        f" corruptions at least 95%{two_noted(data['seeds'])}{counted(data)}; and the mean"
        f" corruption error (mCE), {_words(reference)} on the same dataset and backbone being 100%, with"
        " intervals that are too wide rather than too narrow. Bold: best strategy; underlined: second."
    )
    header = [results.panel_title, "Strategy", "Accuracy", "Corrupted accuracy", "mCE (%)"]
    return Table(caption, header, rows, data, left=2)


def _reference(accuracies: pd.DataFrame) -> dict[str, str]:
    """The objective, family, strategy and variant that others are compared with, of every dataset and backbone."""
    models = accuracies[_MODEL].drop_duplicates()
    for column, name in zip(("objective", "family"), REFERENCE, strict=True):
        first = name if name in set(models[column]) else models[column].iloc[0]
        models = models[models[column] == first]
    return {column: str(models[column].iloc[0]) for column in _MODEL}


def _words(reference: dict[str, str]) -> str:
    strategy = f"{look(reference['family']).label} {reference['variant']}".strip()
    return f"{strategy} (objective {reference['objective']})"


def _error(
    accuracies: pd.DataFrame, row: dict[Hashable, Any], reference: dict[str, str]
) -> tuple[float, float, float]:
    """The mean corruption error of a row's model, and its limits; the reference has none."""
    place = (accuracies[["dataset", "backbone"]] == [row["dataset"], row["backbone"]]).all(axis=1)
    own, of_reference = (
        accuracies[
            place
            & (accuracies[["objective", "strategy"]] == [each["objective"], each["strategy"]]).all(axis=1)
        ]
        for each in (row, reference)
    )
    of_reference = of_reference.set_index("corruption").loc[own["corruption"]]
    error = mean_corruption_error(own["accuracy"].tolist(), of_reference["accuracy"].tolist())
    if all(row[key] == reference[key] for key in ("objective", "strategy")):
        return error, np.nan, np.nan
    return error, *mean_corruption_error_limits(own, of_reference)


def _rows(panel: Panel, data: pd.DataFrame) -> list[list[Cell]]:
    block = panel.rows(data)
    columns = [_shares(block, *CLEAN), _shares(block, *CORRUPTED)]
    percent = block[list(ERROR)] * 100
    # The smallest error is the best.
    ranks = ranked((-percent["mce"]).tolist(), 1)
    columns.append(
        [
            Cell("—") if np.isnan(error) else Cell(f"{error:.1f}", interval(low, high, 1), rank)
            for (error, low, high), rank in zip(percent.to_numpy(), ranks, strict=True)
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
