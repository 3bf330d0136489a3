"""Accuracy on shifted test sets beside accuracy on the run's own."""

import numpy as np
import pandas as pd

from tradeoff.analysis.study_file import RUN_COLUMNS

INSIDE = ("inside", "inside_low", "inside_high")
OUTSIDE = ("outside", "outside_low", "outside_high")


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
    """Return one row per snapshot: the mean of accuracy over the run's shifted test sets, with 95% limits.

    table: of `shifted`. Columns: of the run, step; test_sets, how many; inside and outside with their limits,
    shares in [0, 1]. A test set of several probes counts once; steps that lack one of a run's test sets are left out.

    # ASSUME: test sets are different images, so they err independently: on each side of the mean of k of them, their
    half-widths add in quadrature and are divided by k. Limits averaged instead would be those of errors that all agree.
    """
    keys = [*RUN_COLUMNS, "step"]
    sets = table.drop_duplicates([*keys, "test_set"])
    squares = {
        "below": (sets["outside"] - sets["outside_low"]) ** 2,
        "above": (sets["outside_high"] - sets["outside"]) ** 2,
    }
    means = (
        sets.assign(**squares)
        .groupby(keys, sort=False, dropna=False)
        .agg(
            test_sets=("test_set", "size"),
            inside=("inside", "first"),
            inside_low=("inside_low", "first"),
            inside_high=("inside_high", "first"),
            outside=("outside", "mean"),
            below=("below", "sum"),
            above=("above", "sum"),
        )
        .reset_index()
    )
    means = means[means["test_sets"] == means.groupby("run")["test_sets"].transform("max")]
    below, above = (np.sqrt(means[side]) / means["test_sets"] for side in ("below", "above"))
    limits = {"outside_low": means["outside"] - below, "outside_high": means["outside"] + above}
    return means.assign(**limits).drop(columns=["below", "above"]).reset_index(drop=True)
