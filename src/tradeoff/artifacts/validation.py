"""Validation curves of methods over epochs: clean and under attack, with the onsets of task adaptation."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tradeoff.analysis.adaptation import adaptation, validations
from tradeoff.analysis.cells import METHOD_AND_FAMILY
from tradeoff.artifacts.comparisons import Comparison, draw_methods, epoch_axis, grid, method_key
from tradeoff.artifacts.limits import fit_values
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.results import Results


def validation_curves(
    results: Results, clean: str, attacked: str, y: str, scale: float
) -> tuple[Figure, list[Comparison], pd.DataFrame]:
    """Draw two columns of tables/training.parquet against epochs: solid without attack, dashed under attack at ε_g.

    The table returned has one row per cell, ε_g, method, quantity and epoch: mean, lowest and highest of the seeds.
    """
    training = validations(results.study, results.training)
    table = pd.concat(
        [_over_seeds(training, name).assign(quantity=name) for name in (clean, attacked)], ignore_index=True
    )
    fig, comparisons = grid(results, "Epoch", y)
    for one in comparisons:
        rows = one.rows(table)
        for name, line in ((clean, "-"), (attacked, "--")):
            drawn = rows[rows["quantity"] == name]
            draw_methods(one.axes, drawn, "epoch", ("value", "low", "high"), line=line, scale=scale)
        epoch_axis(one.axes, float(table["epoch"].max()))
    fit_values((one.axes for one in comparisons), percent=scale == 100)
    lines = [plain_line("clean", "-")]
    if (table["quantity"] == attacked).any():
        lines.append(plain_line("attacked", "--"))
    method_key(fig, results, table["method"], lines, plain=True)
    return fig, comparisons, table


def mark_onsets(results: Results, comparisons: list[Comparison], curves: pd.DataFrame) -> pd.DataFrame:
    """Ring each method's onset (the mean over seeds that reached it) on its curve; return the onsets.

    curves: validation accuracy without attack, as `validation_curves` returns it.
    """
    runs = adaptation(results.study, results.training)
    onsets = runs.groupby(list(METHOD_AND_FAMILY), sort=False).agg(
        onset=("onset", "mean"), reached=("reached", "sum"), seeds=("reached", "size")
    )
    table = onsets.reset_index()
    for one in comparisons:
        for row in one.rows(table).dropna(subset="onset").to_dict("records"):
            curve = one.rows(curves)
            curve = curve[curve["method"] == row["method"]].sort_values("epoch")
            height = np.interp(row["onset"], curve["epoch"], curve["value"])
            one.axes.plot(
                [row["onset"]],
                [height * 100],
                marker="o",
                markersize=7,
                color=method_look(row["method"]).colour,
                fillstyle="none",
                zorder=5,
                linestyle="",
            )
    return table


def plain_line(label: str, line: Any) -> Line2D:
    """Return a grey line for a key, which tells styles of lines apart whatever their colour."""
    return Line2D([], [], color="0.4", linestyle=line, label=label)


def _over_seeds(training: pd.DataFrame, name: str) -> pd.DataFrame:
    """One quantity at the ends of epochs, joined over seeds."""
    rows = training.dropna(subset=name)
    joined: pd.DataFrame = rows.groupby([*METHOD_AND_FAMILY, "epoch"], sort=False).agg(
        value=(name, "mean"), low=(name, "min"), high=(name, "max"), seeds=("seed", "nunique")
    )
    return joined.reset_index()


def bands_noted(table: pd.DataFrame) -> str:
    """Say what bands are, where there are several seeds."""
    most = int(table["seeds"].max()) if len(table) else 1
    return f"; means and range of {most} seeds" if most > 1 else ""
