"""Limits of validation accuracies and losses, against SciPy's."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm

from tradeoff.analysis.validation import with_limits

NAN = float("nan")


def training(**columns: list[float]) -> pd.DataFrame:
    clean = {
        "validation_accuracy": 0.75,
        "validation_loss": 1.0,
        "validation_loss_error": 0.1,
        "validation_n": 80,
    }
    attacked = {name.replace("validation_", "validation_robust_"): NAN for name in clean}
    return pd.DataFrame({name: columns.get(name, [value]) for name, value in (clean | attacked).items()})


@pytest.mark.parametrize(("correct", "n"), [(0, 7), (7, 7), (60, 80), (1, 3)])
def test_an_accuracy_has_wilsons_interval(correct: int, n: int) -> None:
    made = with_limits(training(validation_accuracy=[correct / n], validation_n=[float(n)]))
    expected = binomtest(correct, n).proportion_ci(method="wilson")
    low, high = made["validation_accuracy_low"][0], made["validation_accuracy_high"][0]
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_loss_has_the_normal_interval_of_a_mean_but_is_never_below_0() -> None:
    made = with_limits(training())
    found = made["validation_loss_low"][0], made["validation_loss_high"][0]
    assert found == pytest.approx(norm.interval(0.95, 1.0, 0.1))
    near = with_limits(training(validation_loss=[0.1]))
    assert near["validation_loss_low"][0] == 0.0
    assert near["validation_loss_high"][0] == pytest.approx(norm.interval(0.95, 0.1, 0.1)[1])


def test_without_an_attack_there_is_nothing_to_say_of_one() -> None:
    made = with_limits(training())
    for name in ("validation_robust_accuracy", "validation_robust_loss"):
        assert np.isnan(made[[f"{name}_low", f"{name}_high"]].to_numpy()).all()
