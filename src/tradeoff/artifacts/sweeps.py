"""Sweeps: the variants of one strategy, and how each is drawn when they stand apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex

from tradeoff.analysis.points import PANEL
from tradeoff.analysis.study_file import swept_families
from tradeoff.artifacts.looks import Look, look
from tradeoff.artifacts.results import Panel, Results

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")


@dataclass(frozen=True)
class Sweep:
    """A strategy with several variants. panels: those that have it; looks: of every variant, by its name."""

    family: str
    label: str
    panels: list[Panel]
    looks: dict[str, Look]

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that belong to this sweep."""
        return table[table["family"] == self.family]


def sweeps(results: Results) -> list[Sweep]:
    """Return every sweep of a study, in its order."""
    runs = pd.DataFrame(results.study["runs"])
    found = []
    for family in swept_families(results.study):
        own = runs[runs["family"] == family]
        variants = dict(zip(own["strategy"], own["variant"], strict=True))
        present = set(own[PANEL].itertuples(index=False, name=None))
        panels = [p for p in results.panels if (p.dataset, p.backbone, p.objective) in present]
        looks = dict(zip(variants, _apart(list(variants.values())), strict=True))
        found.append(Sweep(family, look(family).label, panels, looks))
    return found


def _apart(labels: Sequence[str]) -> list[Look]:
    """Looks from dark to light, in the order of the sweep; markers tell them apart in grey."""
    dark_to_light = colormaps["viridis"]
    return [
        Look(label, to_hex(dark_to_light(0.85 * place / (len(labels) - 1))), _MARKERS[place % len(_MARKERS)])
        for place, label in enumerate(labels)
    ]
