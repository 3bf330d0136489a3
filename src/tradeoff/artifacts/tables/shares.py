"""Shares as cells of a table: in percent, with an interval, the best and the second marked."""

import numpy as np
import pandas as pd

from tradeoff.artifacts.tables import Cell, ranked
from tradeoff.artifacts.text import interval


def share_cells(block: pd.DataFrame, value: str, low: str | None = None, high: str | None = None) -> list[Cell]:
    """Return a cell for each row of a block, ranked within it; a dash for NaN.

    value, low, high: columns of shares in [0, 1]; without limits there is no interval.
    """
    values = block[value] * 100
    limits = zip(*(block[name] * 100 for name in (low, high)), strict=True) if low and high else None
    intervals = [interval(*pair, 1) for pair in limits] if limits else [""] * len(block)
    return [
        Cell("—") if np.isnan(number) else Cell(f"{number:.1f}", small, rank)
        for number, small, rank in zip(values, intervals, ranked(values.tolist(), 1), strict=True)
    ]
