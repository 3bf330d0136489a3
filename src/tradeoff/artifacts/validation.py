"""Validation curves of methods over epochs: clean and under attack, with the onsets of task adaptation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tradeoff.analysis.adaptation import adaptation, validations
from tradeoff.analysis.cells import METHOD_AND_FAMILY
from tradeoff.analysis.seeds import over_seeds
from tradeoff.analysis.validation import ATTACKED, CLEAN, with_limits
from tradeoff.artifacts.comparisons import Comparison, draw_methods, epoch_axis, grid, method_key
from tradeoff.artifacts.curves import seeds_noted
from tradeoff.artifacts.limits import fit_values
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import two_noted


def validation_curves(
    results: Results, clean: str, attacked: str, y: str, scale: float
) -> tuple[Figure, list[Comparison], pd.DataFrame]:
    """Draw two columns of tables/training.parquet against epochs: solid without attack, dashed under attack at ε_g.

    The table returned has one row per cell, ε_g, method, quantity and epoch: the mean of the seeds with 95% limits.
    """
    training = validations(results.study, results.training)
    keys = [*METHOD_AND_FAMILY, "epoch"]
    table = pd.concat(
        [validated(training, name, keys).assign(quantity=name) for name in (clean, attacked)],
        ignore_index=True,
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


def validated(training: pd.DataFrame, name: str, keys: Sequence[str]) -> pd.DataFrame:
    """Return an accuracy or a loss of tables/training.parquet with 95% limits, joined over the seeds of equal keys.

    Columns: keys, value, low, high, seeds, and n, of so many images.
    """
    _, loss, _, n = ATTACKED if name in ATTACKED else CLEAN
    columns = {name: "value", f"{name}_low": "low", f"{name}_high": "high", n: "n"}
    rows = with_limits(training.dropna(subset=name))[[*keys, "seed", *columns]].rename(columns=columns)
    joined = over_seeds(rows, keys, [("value", "low", "high")], highest=None if name == loss else 1.0)
    return joined.astype(dict.fromkeys(("value", "low", "high", "n"), float))  # also where there are no rows


def validated_noted(table: pd.DataFrame) -> str:
    """Say how many images validations are of, and what their bands are; table: as `validation_curves` returns it."""
    counts = [
        f"{what} {', '.join(f'{int(n):,}' for n in sorted(rows['n'].unique()))}"
        for what, rows in (
            ("n =", table[~table["quantity"].isin(ATTACKED)]),
            ("attacked", table[table["quantity"].isin(ATTACKED)]),
        )
        if len(rows)
    ]
    return (
        f"{', '.join(counts)} validation images; bands: 95% intervals{seeds_noted(table)}"
        f"{two_noted(table['seeds'])}"
    )
