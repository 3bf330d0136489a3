"""Whether values rise with a measure over a study's datasets: Spearman's rank correlation."""

from collections.abc import Sequence

import pandas as pd

FEWEST = 3  # of two points every rank correlation is 1 or -1


def rank_correlations(
    table: pd.DataFrame, group: list[str], measures: Sequence[str], values: Sequence[str]
) -> pd.DataFrame:
    """Return a table with a column `rho_<value>_<measure>` for each value and measure, the same within each group.

    It is the correlation of ranks, equal values sharing their mean rank, in [-1, 1]; rows that lack either are left
    out. nan for fewer than three rows, or where either never changes.
    """
    table = table.reset_index(drop=True)
    for measure in measures:
        for value in values:
            table[f"rho_{value}_{measure}"] = float("nan")
            for _, rows in table.groupby(group, sort=False):
                rho = _spearman(rows[[measure, value]].dropna())
                table.loc[rows.index, f"rho_{value}_{measure}"] = rho
    return table


def _spearman(pair: pd.DataFrame) -> float:
    if len(pair) < FEWEST or pair.nunique().min() < 2:
        return float("nan")
    ranks = pair.rank()
    return float(ranks.iloc[:, 0].corr(ranks.iloc[:, 1]))
