"""Small multiples of methods compared: a grid of axes, one for each cell of a study (and each ε_g)."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tradeoff.analysis.cells import CELL
from tradeoff.analysis.methods import methods
from tradeoff.analysis.study_file import budgets
from tradeoff.artifacts import style
from tradeoff.artifacts.looks import look, method_look
from tradeoff.artifacts.panels import leave_room
from tradeoff.artifacts.results import Results
from tradeoff.params.epsilon import format_epsilon

MOST_COLUMNS = 6
LOWEST = 0.65  # inches of one of many axes


@dataclass(frozen=True)
class Comparison:
    """Methods compared in one axes. keys: the columns of a table, and their values, that tell it from others."""

    keys: dict[str, Any]
    axes: Axes

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that belong here."""
        belongs = np.ones(len(table), dtype=bool)
        for key, value in self.keys.items():
            belongs &= (table[key] == value).to_numpy()
        return table[belongs]


def grid(results: Results, x: str, y: str, *, by_budget: bool = True) -> tuple[Figure, list[Comparison]]:
    """Return a figure with one axes for each cell, or for each cell and ε_g: columns of what varies most.

    Up to six axes stand abreast; what a row and a column are is written at the edges.
    """
    levels = _levels(results, by_budget)
    column, rows = _arranged(levels)
    columns = min(len(levels[column]), MOST_COLUMNS)
    deep = -(-len(levels[column]) // columns) * len(rows)
    single = columns * deep == 1
    height = max(LOWEST, min(1.3 if columns > 3 else 1.9, (style.PAGE - 0.8) / deep))
    # Above a single one its key takes several lines.
    size = (style.ONE_COLUMN, 3.1) if single else (style.TWO_COLUMNS, 0.8 + height * deep)
    fig = style.figure(*size)
    axes = fig.subplots(deep, columns, squeeze=False, sharex=True, sharey=True)
    places = list(itertools.product(rows, levels[column]))
    for unused in axes.flat[len(places) :]:
        unused.remove()
    leave_room(fig, axes[0, 0].get_gridspec(), 1, len(places) - columns * (deep - 1))
    made = []
    for index, (row, level) in enumerate(places):
        place = axes.flat[index]
        keys = {**row, column: level}
        made.append(Comparison(keys, place))
        if index < columns or len(rows) == 1:
            place.set_title(words(results, column, level))
        if (index + 1) % columns == 0 and len(rows) > 1:
            about = [words(results, key, value) for key, value in row.items() if len(levels[key]) > 1]
            _beside(place, "\n".join(about))
        if index + columns >= len(places):
            place.set_xlabel(x)
            place.tick_params(labelbottom=True)
    fig.supylabel(y, fontsize=style.RC["axes.labelsize"])
    return fig, made


def draw_methods(
    axes: Axes,
    rows: pd.DataFrame,
    x: str,
    values: tuple[str, str, str],
    *,
    line: str | None = None,
    scale: float = 100,
    markers: bool = False,
) -> None:
    """Draw values (column, low, high) of every method against the column x; methods of one family are thinner.

    markers: at every value; else at some, not at the same places for all, which tells lines apart in grey.
    """
    value, low, high = values
    families = rows.drop_duplicates("method")["objective_family"].value_counts()
    for place, (method, curve) in enumerate(rows.groupby("method", sort=False)):
        one = method_look(str(method))
        curve = curve.sort_values(x)
        many = families[curve["objective_family"].iloc[0]] > 1
        axes.fill_between(
            curve[x],
            curve[low] * scale,
            curve[high] * scale,
            color=one.colour,
            alpha=0.04 if many else 0.1,
            linewidth=0,
        )
        axes.plot(
            curve[x],
            curve[value] * scale,
            color=one.colour,
            linestyle=line or one.line,
            marker=one.marker,
            markersize=3.5 if markers else 2.8,
            markevery=None if markers else (0.05 * (place + 1), 0.3),
            linewidth=0.6 if many else 1.1,
        )


def method_key(
    fig: Figure, results: Results, names: Iterable[str], more: Sequence[Line2D] = (), *, plain: bool = False
) -> None:
    """Put the key of methods above the axes, each family once in the study's order, and other lines after them.

    plain: colours and markers tell them apart, since lines mean something else.
    """
    shown = {name.partition(" ")[0] for name in names}
    known = dict.fromkeys(method.family for method in methods(results.study).values())
    looks = [method_look(family) for family in known if family in shown]
    if plain:
        looks = [replace(one, line="-") for one in looks]
    style.key_of(fig, [*map(style.handle, looks), *more])


def epoch_axis(axes: Axes, last: float) -> None:
    """Make x an axis of epochs, from the start of training to its end."""
    axes.set_xlim(0, last * 1.02)  # room for a marker
    ticks = np.asarray(MaxNLocator(5, integer=True).tick_values(0, last))
    axes.set_xticks(ticks[ticks <= last])


def ordered(results: Results, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with a column method, its methods in the study's order."""
    order = {method.name: place for place, method in enumerate(methods(results.study).values())}
    return table.sort_values("method", key=lambda names: names.map(order), kind="stable")


def varied(results: Results) -> list[str]:
    """Return which of dataset, backbone and strategy a study has several of; the dataset when none."""
    levels = _levels(results, by_budget=False)
    return [key for key in levels if len(levels[key]) > 1] or ["dataset"]


def words(results: Results, key: str, value: Any) -> str:
    """Return a dataset, backbone, strategy or ε_g as readers see it."""
    if key == "epsilon_g":
        return f"ε_g = {format_epsilon(value)}"
    if key == "dataset":
        return results.dataset_labels[value]
    return strategy_names(results)[value] if key == "strategy" else str(value)


def budgets_noted(results: Results, table: pd.DataFrame) -> str:
    """Name the study's ε_g that a table has no rows of, because the headline's probe does not attack with them."""
    sizes = table["epsilon_g"].unique()
    left = [format_epsilon(size) for size in budgets(results.study) if not np.isclose(size, sizes).any()]
    return f" (not at ε_g = {', '.join(left)}, which {results.attack_label} leaves out)" if left else ""


def methods_noted(ends: pd.DataFrame, compared: pd.DataFrame) -> str:
    """Name the methods that are not compared over cells, because not every cell has them (`cells.complete`)."""
    gone = [name for name in ends["method"].drop_duplicates() if name not in set(compared["method"])]
    return (
        f"; not of every cell, so left out: {', '.join(method_look(name).label for name in gone)}"
        if gone
        else ""
    )


def strategy_names(results: Results) -> dict[str, str]:
    """Name each strategy of a study, variants included."""
    return {
        run["strategy"]: f"{look(run['family']).label} {run['variant']}".strip()
        for run in results.study["runs"]
    }


def _levels(results: Results, by_budget: bool) -> dict[str, list[Any]]:
    levels: dict[str, list[Any]] = {
        key: list(dict.fromkeys(run[key] for run in results.study["runs"])) for key in CELL
    }
    return levels | ({"epsilon_g": budgets(results.study)} if by_budget else {})


def _arranged(levels: dict[str, list[Any]]) -> tuple[str, list[dict[str, Any]]]:
    """What the columns are, and the rows: every combination of the rest."""
    fitting = [key for key in levels if len(levels[key]) <= MOST_COLUMNS] or list(levels)
    column = max(fitting, key=lambda key: len(levels[key]))
    if len([key for key in levels if len(levels[key]) > 1]) == 1:
        column = max(levels, key=lambda key: len(levels[key]))
    rest = [key for key in levels if key != column]
    combined = itertools.product(*(levels[key] for key in rest))
    return column, [dict(zip(rest, values, strict=True)) for values in combined]


def _beside(axes: Axes, text: str) -> None:
    """Write what a row is to its right, upwards."""
    axes.annotate(
        text,
        (1.03, 0.5),
        xycoords="axes fraction",
        rotation=270,
        va="center",
        ha="left",
        fontsize=6.5,
        annotation_clip=False,
    )
