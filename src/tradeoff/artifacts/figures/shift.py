"""Accuracy on shifted domains against accuracy on the run's own test set, over fine-tuning."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoff.analysis.points import PANEL
from tradeoff.analysis.shift import shifted
from tradeoff.analysis.study_file import RUN_COLUMNS, probes_of_kind
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import images_noted
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.panels import squares
from tradeoff.artifacts.results import Results

MOST_PANELS = 12


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one panel for each dataset trained on and each test set shifted from it.

    With more than twelve of them, one for each dataset, with the mean over its shifted test sets.
    """
    probed = results.probes[results.probes["probe"].isin(probes_of_kind(results.study, "shift"))]
    table = shifted(probed)
    shown = table
    keys = [*PANEL, "test_set"]
    if len(table[keys].drop_duplicates()) > MOST_PANELS:
        shown = _mean_over_test_sets(table)
    named: dict[tuple[str, ...], str] = {
        (panel.dataset, panel.backbone, panel.objective): panel.name for panel in results.panels
    }
    groups = [
        (f"{named[tuple(map(str, key[:3]))]} → {key[3]}", rows)
        for key, rows in shown.groupby(keys, sort=False)
    ]
    fig, grid = squares(
        [title for title, _ in groups], "In-distribution accuracy (%)", "Out-of-distribution accuracy (%)"
    )
    right, top = (min(101, 100 * shown[f"{side}_high"].max() + 3) for side in ("inside", "outside"))
    for axes, (_, rows) in zip(grid, groups, strict=True):
        _draw_panel(axes, rows)
        axes.set(xlim=(0, right), ylim=(0, top))
    style.key(fig, results.families)
    lines = "a line per run, with its last snapshot and 95% intervals; dotted: equal"
    style.note(fig, f"{images_noted(probed)}; {lines}")
    return fig, table


def _mean_over_test_sets(table: pd.DataFrame) -> pd.DataFrame:
    keys = [*RUN_COLUMNS, "probe", "step"]
    values = [column for column in table.columns if column.startswith(("inside", "outside"))]
    mean = table.groupby(keys, sort=False, dropna=False)[values].mean().reset_index()
    return mean.assign(test_set="mean of shifted domains")


def _draw_panel(axes: Axes, rows: pd.DataFrame) -> None:
    axes.axline((0, 0), slope=1, color="0.5", linewidth=0.6, linestyle=":")
    for _, run in rows.groupby(["run", "probe"], sort=False):
        run = run.sort_values("step")
        one = look(str(run["family"].iloc[0]))
        axes.plot(
            run["inside"] * 100, run["outside"] * 100, color=one.colour, linestyle=one.line, linewidth=0.8
        )
        last = run.iloc[-1]
        axes.errorbar(
            [last["inside"] * 100],
            [last["outside"] * 100],
            xerr=[
                [(last["inside"] - last["inside_low"]) * 100],
                [(last["inside_high"] - last["inside"]) * 100],
            ],
            yerr=[
                [(last["outside"] - last["outside_low"]) * 100],
                [(last["outside_high"] - last["outside"]) * 100],
            ],
            color=one.colour,
            marker=one.marker,
            elinewidth=0.6,
        )
