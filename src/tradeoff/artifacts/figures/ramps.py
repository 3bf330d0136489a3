"""Validation curves under schedules whose ramps start and end at different times."""

from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tradeoff.analysis.adaptation import validations
from tradeoff.analysis.ramps import ramp_times
from tradeoff.analysis.study_file import budgets
from tradeoff.artifacts import style
from tradeoff.artifacts.comparisons import epoch_axis
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.validation import plain_line
from tradeoff.params.epsilon import format_epsilon

QUANTITIES: dict[str, Any] = {"validation_accuracy": "-", "validation_robust_accuracy": "--"}


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw a row of axes for each ε_g and a column for each T1, a colour for each T2; means over cells and seeds."""
    table = _means(results)
    starts, ends = (sorted(table[name].unique()) for name in ("t1", "t2"))
    sizes = budgets(results.study)
    fig = style.figure(style.TWO_COLUMNS, 0.8 + 1.7 * len(sizes))
    grid = fig.subplots(len(sizes), len(starts), squeeze=False, sharex=True, sharey=True)
    colours = {
        end: colormaps["viridis"](place / max(len(ends) - 1, 1) * 0.9) for place, end in enumerate(ends)
    }
    for line, size in zip(grid, sizes, strict=True):
        for axes, start in zip(line, starts, strict=True):
            rows = table[(table["epsilon_g"] == size) & (table["t1"] == start)]
            _draw_ends(axes, rows, colours)
            axes.set_title(f"ε_g = {format_epsilon(size)}, T1 = {start:.0%}")
            axes.set_ylim(0, 101)
            epoch_axis(axes, float(table["epoch"].max()))
            if size == sizes[-1]:
                axes.set_xlabel("Epoch")
    fig.supylabel("Validation accuracy (%)", fontsize=style.RC["axes.labelsize"])
    handles = [Line2D([], [], color=colour, label=f"T2 = {end:.0%}") for end, colour in colours.items()]
    handles += [plain_line("clean", "-"), plain_line("attacked", "--")]
    style.key_of(fig, handles)
    style.note(fig, "T1 = T2 = 0%: RFT fix; T1 = T2: a hard switch; means over cells and seeds")
    return fig, table


def _draw_ends(axes: Axes, rows: pd.DataFrame, colours: dict[float, Any]) -> None:
    for (end, quantity), curve in rows.groupby(["t2", "quantity"], sort=False):
        axes.plot(
            curve["epoch"],
            curve["value"] * 100,
            color=colours[float(str(end))],
            linestyle=QUANTITIES[str(quantity)],
            linewidth=1,
        )


def _means(results: Results) -> pd.DataFrame:
    training = ramp_times(results.study, validations(results.study, results.training))
    long = training.melt(["epsilon_g", "t1", "t2", "epoch"], list(QUANTITIES), "quantity", "value")
    keys = ["epsilon_g", "t1", "t2", "quantity", "epoch"]
    means: pd.DataFrame = long.dropna(subset="value").groupby(keys)["value"].mean().reset_index()
    return means
