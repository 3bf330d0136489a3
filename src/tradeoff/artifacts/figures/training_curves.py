"""Training loss and validation accuracy of every strategy against steps."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.points import PANEL
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import draw_curves, seeds_noted
from tradeoff.artifacts.panels import paired, step_axis
from tradeoff.artifacts.results import Results

STRETCHES = 60


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw the training loss above the validation accuracy for each panel."""
    losses = _over_seeds(_thinned(results.training), "loss")
    accuracies = _over_seeds(results.training.dropna(subset="validation_accuracy"), "validation_accuracy")
    fig, pairs = paired(results.panels, "Training loss", "Validation accuracy (%)", "Fine-tuning step")
    for panel, (upper, lower) in zip(results.panels, pairs, strict=True):
        alone = len(pairs) == 1
        rows, validated = panel.rows(losses), panel.rows(accuracies)
        step_axis(upper, rows["step"].tolist())
        step_axis(lower, (validated if alone else rows)["step"].tolist())
        draw_curves(upper, rows, "step", ("loss", "low", "high"), named=alone, percent=False)
        draw_curves(lower, validated, "step", ("validation_accuracy", "low", "high"), named=alone)
    if len(pairs) > 1:
        style.key(fig, results.families)
    spread = f"; bands: lowest to highest{seeds_noted(losses)}" if losses["seeds"].max() > 1 else ""
    style.note(fig, f"loss averaged over stretches of steps, longer ones later{spread}")
    return fig, pd.concat(
        [
            losses.rename(columns={"loss": "value"}).assign(quantity="training loss"),
            accuracies.rename(columns={"validation_accuracy": "value"}).assign(
                quantity="validation accuracy"
            ),
        ]
    )


def _thinned(training: pd.DataFrame) -> pd.DataFrame:
    """Average the loss of each run over stretches of steps, so that single batches do not hide the course.

    The stretches are equally long on a logarithmic axis, so the first steps stand for themselves.
    """
    rows = training[training["step"] > 0]
    last = rows.groupby("run")["step"].transform("max")
    stretch = (np.log(rows["step"]) / np.log(last + 1) * STRETCHES).astype(int)
    keys = ["run", *PANEL, "family", "strategy", "variant", "seed"]
    means = rows.groupby([*keys, stretch.rename("stretch")], sort=False).agg(
        step=("step", "max"), loss=("loss", "mean")
    )
    return means.reset_index()


def _over_seeds(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    keys = [*PANEL, "family", "strategy", "variant", "step"]
    joined: pd.DataFrame = rows.groupby(keys, sort=False).agg(
        **{value: (value, "mean")}, low=(value, "min"), high=(value, "max"), seeds=("seed", "nunique")
    )
    return joined.reset_index()
