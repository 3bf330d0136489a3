"""Trade-off AUC against the number of parameters that fine-tuning trains: what a strategy buys for its size."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoff.analysis.points import PANEL, under
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import images_noted
from tradeoff.artifacts.labels import name_places
from tradeoff.artifacts.limits import fit_values
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.panels import round_numbers, squares
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import two_noted

UNITS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one axes for each panel under the headline threat: a point per strategy, each variant of a sweep its own.

    Variants are joined by a line, by rising size; their areas are of their own frontiers. Parameters include the head.
    """
    table = _sized(results)
    single = len(results.panels) == 1
    titles = [panel.name for panel in results.panels]
    height = 2.8 if single else 2.1
    fig, grid = squares(titles, "Trainable parameters", "Trade-off AUC", height)
    for axes, panel in zip(grid, results.panels, strict=True):
        rows = panel.rows(table)
        _draw_points(axes, rows)
        _count_axis(axes, rows["trainable"].tolist())
        fit_values([axes], percent=False)
    if single:
        grid[0].set_title("")  # the names of strategies stand there
        largest = table.groupby("family", sort=False)["trainable"].max()
        name_places(grid[0], {look(str(family)).label: float(size) for family, size in largest.items()})
    else:
        style.key(fig, results.families)
    about = f"{titles[0]}; {results.threat_label}" if single else results.threat_label
    images = images_noted(table.rename(columns={"samples": "n"}))
    confidence = results.study["params"]["tradeoff"]["confidence"] * 100
    bars = f"bars: {confidence:g}% intervals{two_noted(table['seeds'])}"
    variants = "; joined: variants of a strategy" if (table["variant"] != "").any() else ""
    style.note(fig, f"{about}; {images}; {bars}; parameters with the head{variants}")
    return fig, table


def _sized(results: Results) -> pd.DataFrame:
    """Areas under the headline threat of each strategy, or of each of its variants, with its parameters."""
    keys = [*PANEL, "family", "strategy", "variant"]
    sizes = results.runs.drop_duplicates(keys)[[*keys, "trainable", "total"]]
    variants = under(results.variants, results.threat)
    whole = under(results.areas, results.threat).merge(
        variants[[*PANEL, "family"]].drop_duplicates(), how="left", indicator="swept"
    )
    whole = whole[whole["swept"] == "left_only"].merge(sizes, on=[*PANEL, "family"])
    table = pd.concat([whole, variants.merge(sizes, on=keys)], ignore_index=True)
    order = {family: place for place, family in enumerate(results.families)}
    table = table.sort_values("family", key=lambda names: names.map(order), kind="stable")
    values = ["trainable", "total", "auc", "low", "high", "samples", "seeds"]
    return table[[*keys, "probe", "epsilon", *values]].reset_index(drop=True)


def _draw_points(axes: Axes, rows: pd.DataFrame) -> None:
    for family, points in rows.groupby("family", sort=False):
        one = look(str(family))
        points = points.sort_values(["trainable", "auc"])
        bars = [(points["auc"] - points["low"]).clip(lower=0), (points["high"] - points["auc"]).clip(lower=0)]
        axes.plot(points["trainable"], points["auc"], color=one.colour, linestyle=one.line, linewidth=0.5)
        axes.errorbar(
            points["trainable"],
            points["auc"],
            yerr=bars,
            color=one.colour,
            marker=one.marker,
            linestyle="",
            elinewidth=0.6,
            clip_on=False,
        )


def _count_axis(axes: Axes, counts: Sequence[int]) -> None:
    """Make x a logarithmic axis of numbers of parameters, with room for a marker at either end."""
    low, high = min(counts), max(counts)
    room = max((high / low) ** 0.06, 1.15)
    axes.set_xscale("log")
    axes.set_xlim(low / room, high * room)
    ticks = round_numbers(low, high)
    axes.set_xticks(ticks, [in_units(tick) for tick in ticks])
    axes.set_xticks([], minor=True)


def in_units(count: int) -> str:
    """Return a number of parameters as short as an axis needs it: `650`, `10k`, `85.8M`."""
    for unit, letter in UNITS:
        if count >= unit:
            return f"{count / unit:.3g}{letter}"
    return str(count)
