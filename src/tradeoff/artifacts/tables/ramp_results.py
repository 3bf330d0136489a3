"""What the start and the end of the ramp, T1 and T2, do to the result of an epsilon schedule."""

import pandas as pd

from tradeoff import published
from tradeoff.analysis.cells import CELL, MEASURES, final_means
from tradeoff.analysis.ramps import ramp_times
from tradeoff.artifacts.comparisons import varied, words
from tradeoff.artifacts.overlays import prefixed, published_columns
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.tables.counts import counted
from tradeoff.artifacts.tables.shares import share_cells
from tradeoff.artifacts.text import two_noted
from tradeoff.params.epsilon import format_epsilon


def make(results: Results) -> Table:
    """Set one row per cell, ε_g, T1 and T2, times as shares of all epochs; `rft_fix` is T1 = T2 = 0."""
    ends = final_means(results.study, results.probes, results.threat.probe)
    data = ramp_times(results.study, ends)
    keys = [*CELL, "epsilon_g", "t1", "t2"]
    data = data.merge(prefixed(published.schedule_results()), on=keys, how="left")
    titles = {name.capitalize(): (name, f"{name}_low", f"{name}_high") for name in MEASURES}
    columns: dict[str, tuple[str, ...]] = titles | published_columns(data)
    shown = varied(results)
    rows = []
    for _, block in data.groupby(["epsilon_g", *CELL], sort=False):
        block = block.sort_values(["t1", "t2"], kind="stable")
        cells = [share_cells(block, *names) for names in columns.values()]
        for index, row in enumerate(block.to_dict("records")):
            about = [words(results, key, row[key]) for key in shown] + [format_epsilon(row["epsilon_g"])]
            about += [f"{row[key]:.0%}" for key in ("t1", "t2")]
            rows.append([*map(Cell, about), *(column[index] for column in cells)])
    caption = (
        f"{results.study['study']['title']}: schedules whose ramp starts at T1 and ends at T2, shares of all epochs, in"
        f" percent under {results.attack_label} at the last snapshot, with 95% intervals, of expected robustness at"
        f" least 95%{two_noted(data['seeds'])}{counted(data)}. Bold: best at that ε_g; underlined: second."
    )
    header = [*map(str.capitalize, shown), "ε_g", "T1", "T2", *columns]
    return Table(caption, header, rows, _ordered(data, keys), left=len(shown) + 3)


def _ordered(data: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return data[[*keys, *(column for column in data if column not in keys)]]
