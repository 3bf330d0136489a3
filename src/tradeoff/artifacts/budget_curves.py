"""Curves over ε_g: where standard fine-tuning, which has none, stands at 0."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tradeoff.analysis.cells import CELL


def with_standard_at_zero(table: pd.DataFrame, values: Sequence[str]) -> pd.DataFrame:
    """Return rows by cell, ε_g and method with a column pixels (ε_g in 1/255), and each curve's start at 0.

    Robust objectives start where standard fine-tuning ended, which is what they are at ε_g = 0. Rows of
    standard fine-tuning, the same at every ε_g as far as `values` go, are a line across.
    """
    standard = table[table["objective_family"] == "standard"].drop_duplicates(list(CELL))
    started = table.drop_duplicates([*CELL, "method"])
    kept = [column for column in started.columns if column not in (*values, "epsilon_g")]
    starts = started[kept].merge(standard[[*CELL, *values]], on=list(CELL)).assign(epsilon_g=0.0)
    joined = pd.concat([starts, table], ignore_index=True)
    return joined.assign(pixels=joined["epsilon_g"] * 255)


def budget_axis(axes: Axes, table: pd.DataFrame) -> None:
    """Make x an axis of the study's ε_g, in 1/255."""
    sizes = np.unique(table["pixels"].round(6))
    axes.set_xlim(0, float(sizes[-1]) * 1.06)
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
