"""Accuracy under common corruptions, and the mean corruption error (Hendrycks & Dietterich, ICLR 2019, section 4).

A probe's rows under corruptions have a severity, and no epsilon; its clean rows have epsilon 0.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tradeoff.analysis.points import PANEL, under
from tradeoff.analysis.seeds import over_seeds
from tradeoff.analysis.study_file import RUN_COLUMNS, Threat

CLEAN = ("accuracy", "low", "high")
CORRUPTED = ("corrupted", "corrupted_low", "corrupted_high")


def over_corruptions(probes: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Return one row per run and snapshot: clean accuracy and its mean over corruptions and severities.

    probes: tables/probes.parquet. Columns: those of the run, step, n, accuracy, low, high, and corrupted,
    corrupted_low, corrupted_high; shares in [0, 1].
    """
    keys = [*RUN_COLUMNS, "step"]
    # Means of limits are the limits of a mean that is fully correlated, and no tighter than any other.
    means = _corrupted(probes, probe).groupby(keys, sort=False)[list(CLEAN)].mean().reset_index()
    clean = under(probes, Threat(probe, 0))[[*keys, "n", *CLEAN]]
    return clean.merge(
        means.rename(columns=dict(zip(CLEAN, CORRUPTED, strict=True))), on=keys, validate="one_to_one"
    )


def by_corruption(probes: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Return one row per panel, strategy and corruption at the last snapshot, severities and seeds averaged.

    Columns: panel, family, strategy, variant, corruption, seeds, n; accuracy, low and high in [0, 1].
    """
    rows = _corrupted(probes, probe)
    last = rows[rows["step"] == rows.groupby("run")["step"].transform("max")]
    keys = [*PANEL, "family", "strategy", "variant", "threat"]
    over_severities = last.groupby([*keys, "seed", "n"], sort=False, dropna=False)[list(CLEAN)].mean()
    joined = over_seeds(over_severities.reset_index(), keys, [CLEAN])
    return joined.rename(columns={"threat": "corruption"})


def mean_corruption_error(accuracies: Sequence[float], reference: Sequence[float]) -> float:
    """Return the mean over corruptions of the error relative to a reference model's; 1 for the reference itself.

    accuracies, reference: one for each corruption, the mean over severities, in [0, 1]. NaN when the reference
    makes no error under some corruption.
    """
    errors, of_reference = 1 - np.asarray(accuracies, float), 1 - np.asarray(reference, float)
    return float(np.mean(errors / of_reference)) if (of_reference > 0).all() else float("nan")


def _corrupted(probes: pd.DataFrame, probe: str) -> pd.DataFrame:
    return probes[(probes["probe"] == probe) & (probes["severity"] > 0)]
