"""Tables of (accuracy, robustness): what frontiers, trajectories and metrics are made of."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tradeoff.analysis.seeds import over_seeds
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


def snapshot_means(snapshots: pd.DataFrame, values: Sequence[tuple[str, str, str]]) -> pd.DataFrame:
    """Return one row per panel, strategy and step: seeds joined (`seeds.over_seeds`), for curves over steps.

    snapshots: one row per run and snapshot; values: triples of columns (value, low, high).
    """
    keys = [*PANEL, "family", "strategy", "variant", "step"]
    return over_seeds(snapshots, keys, values)
