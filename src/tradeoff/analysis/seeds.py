"""Seeds of a run joined: the mean of each value, with limits that cover test samples and seeds."""

from collections.abc import Sequence

import pandas as pd

from tradeoff.analysis.intervals import with_seeds


def over_seeds(
    frame: pd.DataFrame,
    keys: Sequence[str],
    values: Sequence[tuple[str, str, str]],
    highest: float | None = 1.0,
) -> pd.DataFrame:
    """Return one row for all rows that agree in `keys`: means over seeds, with limits.

    frame: one row per seed, with the column seed, and n where samples were counted; values: triples of columns
    (value, low, high), with 95% limits, of shares in [0, 1] or of what lies between 0 and `highest` (None: anywhere
    above 0). Columns: the keys, seeds, n (of the first seed), and the values, whose limits join the mean interval over
    test samples with the spread over seeds (`intervals.with_seeds`), clipped to [0, highest].
    """
    groups = frame.groupby(list(keys), sort=False, dropna=False)
    joined = groups.agg(seeds=("seed", "nunique"), **({"n": ("n", "first")} if "n" in frame else {}))
    for value, low, high in values:
        means = groups[[value, low, high]].mean()
        per_seed = groups[value].agg(list)
        rows = zip(means.itertuples(index=False, name=None), per_seed, strict=True)
        limits = [with_seeds(mean, (below, above), seeds) for (mean, below, above), seeds in rows]
        ends = pd.DataFrame(limits, index=means.index, columns=[low, high]).clip(0, highest)
        joined = joined.join(means[[value]]).join(ends)
    result: pd.DataFrame = joined.reset_index()
    return result
