"""What Ngnawé et al. (ICLR 2026) published of a study's own cells, to stand beside its numbers.

They attack with APGD of 10 steps, whatever the study's probes do, so titles and keys say so.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tradeoff import published
from tradeoff.analysis.cells import MEASURES, METHOD
from tradeoff.artifacts.looks import method_look

UNDER = "APGD-10"


def published_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return the published rows of the very cells, ε_g and methods of a table."""
    return published.main_results().merge(table[list(METHOD)].drop_duplicates(), on=list(METHOD))


def prefixed(reference: pd.DataFrame, prefix: str = "published") -> pd.DataFrame:
    """Return published rows with their measures called `<prefix>_clean` and so on, to merge with ours."""
    return reference.rename(columns={name: f"{prefix}_{name}" for name in MEASURES})


def published_columns(data: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return titles and columns of the measures published, none where `data` has no such number."""
    if data["published_clean"].isna().all():
        return {}
    return {
        f"{name.capitalize()}, {'' if name == 'clean' else f'{UNDER}, '}published": (f"published_{name}",)
        for name in MEASURES
    }


def hollow_mark(axes: Axes, x: float, percent: float, method: str) -> None:
    """Draw a published number in its method's look."""
    look = method_look(method)
    axes.plot(
        [x],
        [percent],
        linestyle="",
        marker=look.marker,
        markerfacecolor="white",
        markeredgecolor=look.colour,
        markersize=5,
    )


def hollow_key(label: str) -> Line2D:
    """Return the mark that stands for published numbers in a key."""
    return Line2D([], [], marker="o", markerfacecolor="white", color="0.4", linestyle="", label=label)
