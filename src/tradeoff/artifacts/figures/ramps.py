"""Validation curves under schedules whose ramps start and end at different times."""

from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from tradeoff.analysis.adaptation import validations
from tradeoff.analysis.cells import CELL
from tradeoff.analysis.ramps import ramp_times
from tradeoff.analysis.study_file import budgets
from tradeoff.artifacts import style
from tradeoff.artifacts.comparisons import epoch_axis
from tradeoff.artifacts.limits import fit_values
from tradeoff.artifacts.looks import Look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.validation import plain_line, validated, validated_noted
from tradeoff.params.epsilon import format_epsilon

RAMP = ("epsilon_g", "t1", "t2", "epoch")
ATTACKED = "validation_robust_accuracy"
QUANTITIES: dict[str, Any] = {"validation_accuracy": "-", ATTACKED: "--"}
MARKERS = "osD^vP<>"


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw a row of axes for each ε_g and a column for each T1, a look for each T2; means over cells and seeds."""
    table = _means(results)
    starts, ends = (sorted(table[name].unique()) for name in ("t1", "t2"))
    sizes = budgets(results.study)
    fig = style.figure(style.TWO_COLUMNS, 0.8 + 1.7 * len(sizes))
    grid = fig.subplots(len(sizes), len(starts), squeeze=False, sharex=True, sharey=True)
    looks = {
        end: Look(
            f"T2 = {end:.0%}", to_hex(colormaps["viridis"](place / max(len(ends) - 1, 1) * 0.9)), marker
        )
        for (place, end), marker in zip(enumerate(ends), cycle(MARKERS), strict=False)
    }
    for line, size in zip(grid, sizes, strict=True):
        for axes, start in zip(line, starts, strict=True):
            rows = table[(table["epsilon_g"] == size) & (table["t1"] == start)]
            _draw_ends(axes, rows, looks)
            axes.set_title(f"ε_g = {format_epsilon(size)}, T1 = {start:.0%}")
            epoch_axis(axes, float(table["epoch"].max()))
            if size == sizes[-1]:
                axes.set_xlabel("Epoch")
    fit_values(grid.flat)
    fig.supylabel("Validation accuracy (%)", fontsize=style.RC["axes.labelsize"])
    kinds = [plain_line("clean", "-")]
    if (table["quantity"] == ATTACKED).any():
        kinds.append(plain_line("attacked", "--"))
    style.key_of(fig, [*map(style.handle, looks.values()), *kinds])
    cells = int(table["cells"].max())
    over = f"; means of {cells} cells, with the means of their limits" if cells > 1 else ""
    style.note(fig, f"T1 = T2 = 0%: RFT fix; T1 = T2: a hard switch; {validated_noted(table)}{over}")
    return fig, table


def _draw_ends(axes: Axes, rows: pd.DataFrame, looks: dict[float, Look]) -> None:
    places = {end: place for place, end in enumerate(looks)}
    for (end, quantity), curve in rows.groupby(["t2", "quantity"], sort=False):
        one = looks[float(str(end))]
        low, high = curve["low"] * 100, curve["high"] * 100
        axes.fill_between(curve["epoch"], low, high, color=one.colour, alpha=0.08, linewidth=0)
        axes.plot(
            curve["epoch"],
            curve["value"] * 100,
            color=one.colour,
            linestyle=QUANTITIES[str(quantity)],
            marker=one.marker,
            markersize=2.8,
            markevery=(0.05 * (places[float(str(end))] + 1), 0.3),
            linewidth=1,
        )


def _means(results: Results) -> pd.DataFrame:
    """One row per ε_g, T1, T2, quantity and epoch: seeds joined in each cell, then the mean of the cells."""
    training = ramp_times(results.study, validations(results.study, results.training))
    table = pd.concat(
        [validated(training, name, [*CELL, *RAMP]).assign(quantity=name) for name in QUANTITIES]
    )
    means: pd.DataFrame = table.groupby([*RAMP, "quantity"]).agg(
        value=("value", "mean"),
        low=("low", "mean"),
        high=("high", "mean"),
        seeds=("seeds", "max"),
        cells=("value", "size"),
        n=("n", "first"),
    )
    return means.reset_index()
