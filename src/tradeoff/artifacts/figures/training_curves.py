"""Training loss and validation accuracy of every strategy against steps."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.points import PANEL
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import draw_curves, images_noted, seeds_noted
from tradeoff.artifacts.panels import paired, step_axis
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import two_noted
from tradeoff.artifacts.validation import validated

KEYS = [*PANEL, "family", "strategy", "variant"]
STRETCHES = 60


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw the training loss above the validation accuracy for each panel."""
    losses, accuracies = (
        _over_seeds(_thinned(results.training)),
        validated(results.training, "validation_accuracy", [*KEYS, "step"]),
    )
    fig, pairs = paired(results.panels, "Training loss", "Validation accuracy (%)", "Fine-tuning step")
    for panel, (upper, lower) in zip(results.panels, pairs, strict=True):
        alone = len(pairs) == 1
        rows, measured = panel.rows(losses), panel.rows(accuracies)
        step_axis(upper, rows["step"].tolist())
        step_axis(lower, (measured if alone else rows)["step"].tolist())
        draw_curves(upper, rows, "step", ("loss", "low", "high"), named=alone, percent=False)
        draw_curves(lower, measured, "step", ("value", "low", "high"), named=alone)
    if len(pairs) > 1:
        style.key(fig, results.families)
    spread = ", from the lowest to the highest seed" if losses["seeds"].max() > 1 else ""
    style.note(
        fig,
        f"loss of training batches, averaged over stretches of steps, longer ones later{spread}; accuracy:"
        f" {images_noted(accuracies, 'validation')}; bands: 95% intervals{seeds_noted(accuracies)}"
        f"{two_noted(accuracies['seeds'])}",
    )
    return fig, pd.concat(
        [
            losses.rename(columns={"loss": "value"}).assign(quantity="training loss"),
            accuracies.assign(quantity="validation accuracy"),
        ]
    )


def _thinned(training: pd.DataFrame) -> pd.DataFrame:
    """Average the loss of each run over stretches of steps, so that single batches do not hide the course.

    The stretches are equally long on a logarithmic axis, so the first steps stand for themselves.
    """
    rows = training[training["step"] > 0]
    last = rows.groupby("run")["step"].transform("max")
    stretch = (np.log(rows["step"]) / np.log(last + 1) * STRETCHES).astype(int)
    means = rows.groupby(["run", *KEYS, "seed", stretch.rename("stretch")], sort=False).agg(
        step=("step", "max"), loss=("loss", "mean")
    )
    return means.reset_index()


def _over_seeds(losses: pd.DataFrame) -> pd.DataFrame:
    """Means of the seeds, from the lowest to the highest: what batches a loss is of is no sample of anything."""
    joined: pd.DataFrame = losses.groupby([*KEYS, "step"], sort=False).agg(
        loss=("loss", "mean"), low=("loss", "min"), high=("loss", "max"), seeds=("seed", "nunique")
    )
    return joined.reset_index()
