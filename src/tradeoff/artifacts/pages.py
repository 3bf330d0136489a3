"""A figure on as many pages as it needs: of a large study one for each dataset, or for each dataset and backbone."""

from types import ModuleType

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.artifacts import style
from tradeoff.artifacts.results import Results

# What a page has one of, until pages fit.
APART: tuple[tuple[str, ...], ...] = ((), ("dataset",), ("dataset", "backbone"))


def draw(module: ModuleType, results: Results) -> tuple[list[Figure], pd.DataFrame]:
    """Return the pages that an artifact's module draws, and the data of all of them; call it within `styled()`."""
    drawn: list[tuple[Figure, pd.DataFrame]] = []
    for keys in APART:
        drawn = [module.draw(part) for part in results.parts(keys)]
        if all(fig.get_figheight() <= style.PAGE + 1e-9 for fig, _ in drawn):
            break
    pages = [fig for fig, _ in drawn]
    if len(pages) > 1:
        for number, fig in enumerate(pages, 1):
            style.note(fig, f"page {number} of {len(pages)} of the PDF; {fig.get_supxlabel()}")
    return pages, pd.concat([data for _, data in drawn], ignore_index=len(drawn) > 1)
