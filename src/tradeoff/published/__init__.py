"""Published numbers, as data: what our results can be shown beside. README.md names the sources."""

from pathlib import Path

import pandas as pd

from tradeoff.analysis.study_file import PUBLISHED_AREAS
from tradeoff.params.epsilon import parse_epsilon

FOLDER = Path(__file__).parent
MEASURES = ("clean", "adversarial", "expected")
# Ngnawé et al., ICLR 2026: Pearson's correlation of delay with final accuracy, lowest and highest that they report.
DELAY_CORRELATIONS = (-0.98, -0.86)


def main_results() -> pd.DataFrame:
    """Return Tables 1 and 2 of Ngnawé et al., ICLR 2026: one row per cell, ε_g and objective.

    Columns: dataset, backbone, strategy, epsilon_g, method, and clean, adversarial and expected
    accuracy as shares in [0, 1]. Datasets and backbones are called as in studies/iclr2026.yaml.
    """
    return _read("iclr2026_main").assign(strategy="full")


def tradeoff_areas() -> pd.DataFrame:
    """Return the trade-off AUC of Li et al., ICCV 2025, under PGD of ℓ∞ at ε = 1/255: columns dataset, family, auc.

    Two decimals, a ViT-B/16 pre-trained on ImageNet-21k. Datasets are called as in studies/iccv2025.yaml.
    """
    table = pd.read_csv(PUBLISHED_AREAS).rename(columns={"strategy": "family"})
    return table.melt("family", var_name="dataset", value_name="auc")


def parameter_counts() -> pd.DataFrame:
    """Return how many parameters the code of Li et al. trains, head included: columns family, classes, trainable.

    A ViT-B/16 with 10, 100 and 200 classes; its unused pooler counts where everything, or every bias, trains.
    """
    table = pd.read_csv(FOLDER / "iccv2025_parameters.csv").rename(columns={"strategy": "family"})
    long = table.melt("family", var_name="classes", value_name="trainable")
    return long.assign(classes=long["classes"].astype(int))


def schedule_results() -> pd.DataFrame:
    """Return Table 7 of Ngnawé et al., a Swin-B on Stanford Cars: one row per T1, T2 (shares of 50 epochs) and ε_g."""
    table = _read("iclr2026_t1_t2_swin_cars").assign(dataset="cars", backbone="swin_b", strategy="full")
    table[["t1", "t2"]] /= 50
    return table


def autoattack_results() -> pd.DataFrame:
    """Return Table 6 of Ngnawé et al., a Swin-B under two attacks (column `attack`: apgd, autoattack)."""
    return _read("iclr2026_autoattack_swin").assign(backbone="swin_b", strategy="full")


def _read(name: str) -> pd.DataFrame:
    table = pd.read_csv(FOLDER / f"{name}.csv")
    table["epsilon_g"] = table.pop("epsilon").map(parse_epsilon)
    table[list(MEASURES)] /= 100
    return table.rename(columns={"objective": "method"})
