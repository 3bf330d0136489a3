"""What the default study has to show, checked on its results (CI makes them first)."""

from pathlib import Path

import pandas as pd
import pytest

TABLES = Path(__file__).parents[1] / "results" / "quickstart" / "tables"


@pytest.fixture(scope="module")
def attacked():
    """Rows of the attack probe."""
    if not (TABLES / "probes.parquet").exists():
        pytest.skip("the default study has not run: make figures")
    table = pd.read_parquet(TABLES / "probes.parquet")
    return table[table["probe"] == "pgd"]


def last(table, strategy):
    """The clean accuracy of a strategy's last snapshot."""
    clean = table[(table["strategy"] == strategy) & (table["epsilon"] == 0)]
    return float(clean.loc[clean["step"].idxmax(), "accuracy"])


def test_full_fine_tuning_reads_digits_and_a_linear_probe_does_less_well(attacked):
    assert last(attacked, "full") >= 0.95
    assert last(attacked, "linear") < last(attacked, "full")


def test_robustness_lies_below_accuracy_and_falls_as_epsilon_grows_at_every_snapshot(attacked):
    for _, snapshot in attacked.groupby(["strategy", "seed", "step"]):
        accuracies = snapshot.sort_values("epsilon")["accuracy"].tolist()
        assert accuracies == sorted(accuracies, reverse=True)
        assert accuracies[1] < accuracies[0]


def test_nothing_resists_an_epsilon_of_one_half(attacked):
    assert (attacked.loc[attacked["epsilon"] == 0.5, "accuracy"] <= 0.01).all()


def test_all_seven_strategies_are_there(attacked):
    assert set(attacked["strategy"]) == {"full", "linear", "lora", "adapter", "compacter", "bitfit", "ia3"}
