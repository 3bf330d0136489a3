"""Shares as cells of a table: in percent, with an interval, the best and the second marked."""

import numpy as np
import pandas as pd

from tradeoff.artifacts.tables import Cell, ranked
from tradeoff.artifacts.text import interval


def share_cells(
    block: pd.DataFrame, value: str, low: str | None = None, high: str | None = None
) -> list[Cell]:
    """Return a cell for each row of a block, ranked within it; a dash for NaN.

    value, low, high: columns of shares in [0, 1]; without limits there is no interval.
    """
    values = (block[value] * 100).tolist()
    intervals = [""] * len(block)
    if low and high:
        limits = zip(block[low] * 100, block[high] * 100, strict=True)
        intervals = [interval(below, above, 1) for below, above in limits]
    return [
        Cell("—") if np.isnan(number) else Cell(f"{number:.1f}", small, rank)
        for number, small, rank in zip(values, intervals, ranked(values, 1), strict=True)
    ]
