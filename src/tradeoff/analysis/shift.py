"""Accuracy on shifted test sets beside accuracy on the run's own."""

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
