"""Tables of (accuracy, robustness): what frontiers, trajectories and metrics are made of."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tradeoff.analysis.study_file import RUN_COLUMNS, Threat

# One panel of a figure, one column of a table: comparisons between strategies are made within it.
PANEL = ["dataset", "backbone", "objective"]


def points(probes: pd.DataFrame, threat: Threat) -> pd.DataFrame:
    """Return one row per run and snapshot: accuracy and robustness under a threat, each with its limits.

    probes: tables/probes.parquet. Columns: those of the run, step, epoch, n, accuracy, low, high, and
    robustness, robustness_low, robustness_high; shares in [0, 1].
    """
    keys = [*RUN_COLUMNS, "step"]
    clean = under(probes, Threat(threat.probe, 0))
    attacked = under(probes, threat)
    names = {"accuracy": "robustness", "low": "robustness_low", "high": "robustness_high"}
    return clean[[*keys, "epoch", "n", "accuracy", "low", "high"]].merge(
        attacked[[*keys, *names]].rename(columns=names), on=keys, validate="one_to_one"
    )


def under(table: pd.DataFrame, threat: Threat) -> pd.DataFrame:
    """Return the rows of a table with columns probe and epsilon that belong to a threat.

    Tables in CSV round epsilons to nine digits.
    """
    return table[
        (table["probe"] == threat.probe) & np.isclose(table["epsilon"], threat.epsilon, rtol=1e-6, atol=0)
    ]


def over_seeds(frame: pd.DataFrame, values: Sequence[tuple[str, str, str]]) -> pd.DataFrame:
    """Join the seeds of each strategy: the mean of every value, and an envelope of its intervals.

    frame: rows by run and step; values: triples of columns (value, low, high). The result has one row
    per panel, strategy and step, and a column `seeds`.

    # ASSUME: for curves over steps, the band goes from the lowest lower limit to the highest upper one
    of the seeds; with one seed it is that seed's interval.
    """
    keys = [*PANEL, "family", "strategy", "variant", "step"]
    how: dict[str, tuple[str, str]] = {"seeds": ("seed", "nunique")}
    if "n" in frame:
        how["n"] = ("n", "first")
    for value, low, high in values:
        how |= {value: (value, "mean"), low: (low, "min"), high: (high, "max")}
    joined: pd.DataFrame = frame.groupby(keys, sort=False, dropna=False).agg(**how).reset_index()
    return joined
