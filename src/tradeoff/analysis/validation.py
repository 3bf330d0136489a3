"""How sure the validations in a run's log are: 95% limits of each accuracy and loss."""

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from tradeoff.probes.results import CONFIDENCE, wilson

# Of each kind of validation: the columns of accuracy, loss, the loss's standard error, and the number of images.
CLEAN = ("validation_accuracy", "validation_loss", "validation_loss_error", "validation_n")
ATTACKED = (
    *("validation_robust_accuracy", "validation_robust_loss"),
    *("validation_robust_loss_error", "validation_robust_n"),
)


def with_limits(training: pd.DataFrame) -> pd.DataFrame:
    """Return rows of tables/training.parquet with `<column>_low` and `<column>_high` of each accuracy and loss.

    Of accuracies Wilson's interval, shares in [0, 1]; of losses, means over images, the normal one, at least 0. NaN
    where a row has no such validation.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    limits: dict[str, Any] = {}
    for accuracy, loss, error, n in (CLEAN, ATTACKED):
        pairs = [_wilson(*pair) for pair in zip(training[accuracy], training[n], strict=True)]
        limits[f"{accuracy}_low"], limits[f"{accuracy}_high"] = np.array(pairs).reshape(-1, 2).T
        limits[f"{loss}_low"] = (training[loss] - z * training[error]).clip(lower=0)
        limits[f"{loss}_high"] = training[loss] + z * training[error]
    return training.assign(**limits)


def _wilson(accuracy: float, n: float) -> tuple[float, float]:
    return (np.nan, np.nan) if np.isnan(accuracy) else wilson(round(accuracy * n), int(n))
