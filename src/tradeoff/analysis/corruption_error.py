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

    Columns: panel, family, strategy, variant, corruption, seeds, n; accuracy, low and high in [0, 1]. Severities are
    averaged with their limits, then seeds are joined (`seeds.over_seeds`).
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


def mean_corruption_error_limits(own: pd.DataFrame, reference: pd.DataFrame) -> tuple[float, float]:
    """Return 95% limits of `mean_corruption_error`, no tighter than the truth; NaN where that is NaN.

    own, reference: rows of `by_corruption` of one model each, one per corruption, in the same order.

    # ASSUME: a model and its reference err independently (MOVER-R: Donner & Zou, Statistical Methods in Medical
    Research 2012), corruptions together. They are tested on the same images, so both make limits too wide.
    """
    errors, of_reference = (
        1 - rows[list(CLEAN)].to_numpy(dtype=float)[:, [0, 2, 1]] for rows in (own, reference)
    )
    if not (of_reference > 0).all():
        return float("nan"), float("nan")
    (e, e_low, e_high), (r, r_low, r_high) = errors.T, of_reference.T
    below = e_low * (2 * e - e_low)
    root = np.sqrt(np.maximum((e * r) ** 2 - below * r_high * (2 * r - r_high), 0))
    low = np.divide(below, e * r + root, out=np.zeros_like(e), where=e > 0)
    above, of_low = e_high * (2 * e - e_high), r_low * (2 * r - r_low)
    high = (e * r + np.sqrt(np.maximum((e * r) ** 2 - above * of_low, 0))) / of_low
    return float(low.mean()), float(high.mean())


def _corrupted(probes: pd.DataFrame, probe: str) -> pd.DataFrame:
    return probes[(probes["probe"] == probe) & (probes["severity"] > 0)]
