"""How far each strategy's trade-off AUC lies below the best of its dataset, and which pairs differ."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tradeoff.analysis.points import under
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.tables.auc import DECIMALS
from tradeoff.artifacts.tables.counts import counted
from tradeoff.artifacts.text import few, interval, signed, two_noted

# Whatever a block of rows is of; its columns are datasets.
BLOCKS = ["backbone", "objective"]
APART = "*"


def make(results: Results) -> Table:
    """Set strategies in rows and datasets in columns, a block of rows per backbone and objective; headline threat.

    A cell is the strategy's area minus the largest of its panel. The last column counts, over datasets, the other
    strategies that it differs from, so that the pairs the cells leave out are counted too; the CSV has them.
    """
    pairs = pairs_of(results)
    areas = under(results.areas, results.threat)
    datasets = list(dict.fromkeys(panel.dataset for panel in results.panels))
    shown = [key for key in BLOCKS if areas[key].nunique() > 1]
    rows = []
    for keys, block in areas.groupby(BLOCKS, sort=False):
        about = dict(zip(BLOCKS, map(str, keys), strict=True))
        first = [results.objective_labels[about[key]] if key == "objective" else about[key] for key in shown]
        belongs = (pairs[BLOCKS] == list(keys)).all(axis=1)
        rows += [[*map(Cell, first), *cells] for cells in _block(block, pairs[belongs], datasets)]
    confidence = results.study["params"]["tradeoff"]["confidence"]
    caption = (
        f"{results.study['study']['title']}: trade-off AUC ({results.threat_label}) minus that of the best strategy"
        f" of the dataset, with paired {confidence * 100:g}% intervals{two_noted(areas['seeds'])}"
        f"{counted(areas, 'samples')}."
        f" {APART}: the interval leaves out 0. Differs from: how many other strategies, so marked, over all datasets."
        f" {_count(pairs, confidence)} The best is picked on the same test images, and so a little too good."
    )
    header = [
        *map(str.capitalize, shown),
        "Strategy",
        *map(results.dataset_labels.__getitem__, datasets),
        "Differs from",
    ]
    return Table(caption, header, rows, pairs, left=len(shown) + 1)


def pairs_of(results: Results) -> pd.DataFrame:
    """Return each pair of strategies in each panel under the headline threat, once: first minus second.

    Columns: panel, probe, epsilon, family, other, difference, low, high, and differs: the interval leaves out 0.
    """
    pairs = under(results.differences, results.threat)
    return pairs.assign(differs=(pairs["low"] > 0) | (pairs["high"] < 0)).reset_index(drop=True)


def against(pairs: pd.DataFrame, family: str, other: str) -> tuple[float, float, float]:
    """Return a strategy's area minus another's in one panel, and its limits, whichever stands first in its pairs."""
    for first, second, sign in ((family, other, 1), (other, family, -1)):
        found = pairs[(pairs["family"] == first) & (pairs["other"] == second)]
        if len(found):
            row = found.iloc[0]
            low, high = sorted((sign * row["low"], sign * row["high"]))
            return sign * row["difference"], low, high
    raise KeyError(f"{family} and {other} are no pair of this panel")


def by_chance(pairs: pd.DataFrame, confidence: float) -> float:
    """Return how many of the pairs would differ if no strategy did: the intervals' share of mistakes."""
    return len(pairs) * (1 - confidence)


def _block(areas: pd.DataFrame, pairs: pd.DataFrame, datasets: list[str]) -> Iterator[list[Cell]]:
    for family in areas["family"].drop_duplicates():
        cells = [
            _cell(
                areas[areas["dataset"] == dataset].set_index("family")["auc"],
                pairs[pairs["dataset"] == dataset],
                family,
            )
            for dataset in datasets
        ]
        own = pairs[(pairs["family"] == family) | (pairs["other"] == family)]
        yield [Cell(look(family).label), *cells, Cell(f"{own['differs'].sum()} of {len(own)}")]


def _cell(areas: "pd.Series[float]", pairs: pd.DataFrame, family: str) -> Cell:
    if family not in areas:
        return Cell("—")
    best = str(areas.idxmax())
    if family == best:
        return Cell(f"best, {areas[best]:.{DECIMALS}f}", rank=1)
    difference, low, high = against(pairs, family, best)
    apart = APART if low > 0 or high < 0 else ""
    return Cell(signed(difference, DECIMALS) + apart, interval(low, high, DECIMALS))


def _count(pairs: pd.DataFrame, confidence: float) -> str:
    """How many pairs differ, and how many would by chance."""
    if np.isnan(pairs["low"]).all():
        return "Without a bootstrap there are no intervals."
    return (
        f"Of all {len(pairs)} pairs {pairs['differs'].sum()} differ beyond their intervals, where"
        f" {few(by_chance(pairs, confidence))} would by chance."
    )
