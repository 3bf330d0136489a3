"""Trade-off AUC against how hard each dataset is for the backbone before fine-tuning: one point per strategy."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tradeoff.analysis.points import under
from tradeoff.analysis.rank_correlation import rank_correlations
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import End, images_noted
from tradeoff.artifacts.labels import label_ends, name_places
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.text import signed, two_noted

# What is on x, with its name and whether it is a share; `similarity` only where any upstream data are known.
CORRELATED = "; side by side at a dataset; numbers: rank correlation over datasets; *: p < 5%"
TELLING = 0.05
MEASURES = {"separability": "Class separability", "similarity": "Similarity to upstream data"}
# What is on y, with its name, and what turns it into the units of the axis.
VALUES = {"auc": ("Trade-off AUC", 1.0), "above_average": ("Above average (%)", 100.0)}
GROUP = ["backbone", "objective", "family"]
# Inches: a row of axes with all around it, at most; what is around; a letter above it; a name at its right.
HIGHEST, AROUND, LETTER, NAME = 2.7, 0.65, 0.05, 0.125


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw a row of axes for each backbone and measure of the task; columns are AUC and percent above average.

    The standard objective is drawn, or else the study's first; the data have all of them. rho: Spearman's rank
    correlation of a strategy's values and the measure, over datasets; p: its two-sided p value.
    """
    table = under(results.areas, results.threat).merge(results.tasks, on=["dataset", "backbone"])
    table = rank_correlations(table, GROUP, tuple(MEASURES), tuple(VALUES))
    objectives = list(dict.fromkeys(panel.objective for panel in results.panels))
    objective = "standard" if "standard" in objectives else objectives[0]
    drawn = table[table["objective"] == objective]
    rows = [
        (str(backbone), measure, part)
        for backbone, part in drawn.groupby("backbone", sort=False)
        for measure in MEASURES
        if part[measure].notna().any()
    ]
    families = [family for family in results.families if family in set(drawn["family"])]
    # One strategy alone has no average to be above of.
    columns = list(VALUES) if len(families) > 1 else ["auc"]
    height = min(HIGHEST, (style.PAGE - 0.6) / len(rows))
    longest = max(len(results.dataset_labels[name]) for name in drawn["dataset"])
    left = height - AROUND - LETTER * longest
    named = NAME * len(families) <= left
    width = style.TWO_COLUMNS if len(columns) > 1 else style.ONE_COLUMN
    fig = style.figure(width, 0.6 + height * len(rows))
    grid = fig.subplots(len(rows), len(columns), squeeze=False)
    ends = {}
    for line, (backbone, measure, part) in zip(grid, rows, strict=True):
        for axes, value in zip(line, columns, strict=True):
            ends[axes] = _draw_points(axes, part.dropna(subset=[measure]), measure, value)
            several = f", {backbone}" if drawn["backbone"].nunique() > 1 else ""
            axes.set(xlabel=MEASURES[measure] + several, ylabel=VALUES[value][0])
    for line, (_, measure, part) in zip(grid, rows, strict=True):
        tasks = part.dropna(subset=[measure]).drop_duplicates("dataset")
        titles = tasks["dataset"].map(results.dataset_labels)
        places = dict(zip(titles, tasks[measure], strict=True))
        for axes in line:
            name_places(axes, places)
    if named:
        for axes, names in ends.items():  # last, when all else has its room
            label_ends(axes, names)
    else:
        style.key(fig, families)
    images = images_noted(drawn.rename(columns={"samples": "n"}))
    confidence = results.study["params"]["tradeoff"]["confidence"] * 100
    style.note(
        fig,
        f"{results.threat_label}; {results.objective_labels[objective]}; {images}; bars: {confidence:g}% intervals"
        f"{two_noted(drawn['seeds'])}{CORRELATED if named else ''}{_unknown(drawn)}",
    )
    return fig, table


def _draw_points(axes: Axes, part: pd.DataFrame, measure: str, value: str) -> list[End]:
    """A strategy's points are joined by rising x, and stand side by side with the others' at a dataset.

    Return where each strategy's line ends, with its name, rank correlation and colour.
    """
    factor = VALUES[value][1]
    low, high = ("low", "high") if value == "auc" else (f"{value}_low", f"{value}_high")
    families = list(part["family"].unique())
    places = np.unique(part[measure])
    apart = dict(zip(places, _apart(places, len(families)), strict=True))
    ends = []
    for place, family in enumerate(families):
        one = look(str(family))
        points = part[part["family"] == family].sort_values(measure)
        x = points[measure] + (place - (len(families) - 1) / 2) * points[measure].map(apart)
        y = points[value] * factor
        bars = [(y - points[low] * factor).clip(lower=0), (points[high] * factor - y).clip(lower=0)]
        axes.plot(x, y, color=one.colour, linestyle=one.line, linewidth=0.5, alpha=0.5)
        axes.errorbar(x, y, yerr=bars, color=one.colour, marker=one.marker, linestyle="", elinewidth=0.6)
        rho = points[f"rho_{value}_{measure}"].iloc[0]
        sure = "*" if points[f"p_{value}_{measure}"].iloc[0] < TELLING else ""
        said = "" if pd.isna(rho) else f" {signed(rho, 2)}{sure}"
        ends.append((x.iloc[-1], y.iloc[-1], one.label + said, one.colour))
    return ends


def _apart(places: NDArray[np.float64], strategies: int) -> NDArray[np.float64]:
    """How far apart strategies stand at each of the rising places: less where the next place is near.

    All of one place take no more than 0.6 of the way to the next, so none stands among another's.
    """
    gaps = np.diff(places)
    nearest = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))
    result: NDArray[np.float64] = np.minimum(0.006 * np.ptp(places), 0.6 * nearest / max(strategies - 1, 1))
    return result


def _unknown(drawn: pd.DataFrame) -> str:
    unknown = sorted(drawn.loc[drawn["similarity"].isna(), "backbone"].unique())
    return f"; upstream data of {', '.join(unknown)} not known" if unknown else ""
