"""Accuracy on shifted test sets beside accuracy on the run's own."""

import numpy as np
import pandas as pd

from tradeoff.analysis.study_file import RUN_COLUMNS


def shifted(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, for each snapshot and shifted test set, accuracy there and on the run's own test set.

    rows: those of shift probes, which test on the run's own dataset too. Columns: of the run, step,
    test_set; inside, inside_low, inside_high; outside, outside_low, outside_high.
    """
    own = rows["test_set"] == rows["dataset"]
    keys = [*RUN_COLUMNS, "probe", "step"]
    inside = {"accuracy": "inside", "low": "inside_low", "high": "inside_high"}
    outside = {"accuracy": "outside", "low": "outside_low", "high": "outside_high"}
    return (
        rows[~own][[*keys, "test_set", *outside]]
        .rename(columns=outside)
        .merge(rows[own][[*keys, *inside]].rename(columns=inside), on=keys, validate="many_to_one")
    )


def mean_over_test_sets(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per snapshot: the mean over its shifted test sets, beside accuracy on the run's own.

    table: rows of `shifted`. Columns: of the run, probe, step; test_sets, how many; and those of `shifted` but
    test_set. Test sets are different images, so they err independently: of k of them the half-widths are, on each
    side, the root of the sum of squares, divided by k.
    """
    keys = [*RUN_COLUMNS, "probe", "step"]
    wide = table.assign(
        below=(table["outside"] - table["outside_low"]) ** 2,
        above=(table["outside_high"] - table["outside"]) ** 2,
    )
    means = wide.groupby(keys, sort=False, dropna=False).agg(
        test_sets=("test_set", "nunique"),
        **{name: (name, "first") for name in ("inside", "inside_low", "inside_high")},
        outside=("outside", "mean"),
        below=("below", "sum"),
        above=("above", "sum"),
    )
    below, above = (np.sqrt(means.pop(side)) / means["test_sets"] for side in ("below", "above"))
    return means.assign(
        outside_low=means["outside"] - below, outside_high=means["outside"] + above
    ).reset_index()
