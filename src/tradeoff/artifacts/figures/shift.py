"""Accuracy on shifted domains against accuracy on the run's own test set, over fine-tuning."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from tradeoff.analysis.shift import INSIDE, OUTSIDE, mean_over_test_sets, shifted
from tradeoff.analysis.study_file import dataset_label, probes_of_kind
from tradeoff.artifacts import style
from tradeoff.artifacts.curves import images_noted, sets_noted
from tradeoff.artifacts.panels import squares
from tradeoff.artifacts.results import Panel, Results
from tradeoff.artifacts.run_paths import draw_paths, end_of
from tradeoff.data.registry import split_reference

MOST_PANELS = 12
# A source's test sets stand in a row of their own where they are so many.
ABREAST = (2, 3, 4)
MEAN = "mean of shifted test sets"


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw one panel for each dataset trained on and each test set shifted from it, a row for each trained on.

    With more than twelve of them, one for each dataset, with the mean over its shifted test sets.
    """
    probed = results.probes[results.probes["probe"].isin(probes_of_kind(results.study, "shift"))]
    table = shifted(probed)
    places = [
        (panel, str(test_set))
        for panel in results.panels
        for test_set in dict.fromkeys(panel.rows(table)["test_set"])
    ]
    own = images_noted(probed[probed["test_set"] == probed["dataset"]])
    if len(places) > MOST_PANELS:
        shown, columns = mean_over_test_sets(table).assign(test_set=MEAN), None
        places = [(panel, MEAN) for panel in dict.fromkeys(panel for panel, _ in places)]
        titles = [panel.name for panel, _ in places]
        about = f"in distribution: {own}; {sets_noted(shown, probed)}"
    else:
        shown, columns = table, _columns(places)
        dataset = _only_dataset(places)
        titles = [_title(results, panel, test_set, dataset) for panel, test_set in places]
        whose = f"domains of {dataset_label(results.study, dataset)}: " if dataset else ""
        outside = images_noted(probed[probed["test_set"] != probed["dataset"]])
        about = (
            f"{whose}trained on → tested on; in distribution: {own}; out of distribution: {outside} in each"
        )
    fig, grid = squares(
        titles, "In-distribution accuracy (%)", "Out-of-distribution accuracy (%)", columns=columns
    )
    for axes, (panel, test_set) in zip(grid, places, strict=True):
        rows = panel.rows(shown)
        axes.axline((0, 0), slope=1, color="0.7", linewidth=0.6)
        draw_paths(axes, rows[rows["test_set"] == test_set], INSIDE, OUTSIDE)
        axes.set(xlim=(0, end_of(shown, INSIDE)), ylim=(0, end_of(shown, OUTSIDE)))
    style.key(fig, results.families)
    style.note(fig, f"{about}; a line per run, with its last snapshot and 95% intervals; grey: equal")
    return fig, table


def _columns(places: Sequence[tuple[Panel, str]]) -> int | None:
    """How many test sets each panel has, where all have as many as fit a row; else None."""
    counts = set(Counter(panel for panel, _ in places).values())
    return counts.pop() if len(counts) == 1 and counts <= set(ABREAST) else None


def _only_dataset(places: Sequence[tuple[Panel, str]]) -> str | None:
    """The one dataset that all these, trained on or tested on, are domains of; None where they are not."""
    references = [split_reference(name) for panel, test_set in places for name in (panel.dataset, test_set)]
    names = {name for name, _ in references}
    return names.pop() if len(names) == 1 and all(domain for _, domain in references) else None


def _title(results: Results, panel: Panel, test_set: str, dataset: str | None) -> str:
    """What was trained on and tested on; of one dataset's domains without its name, which the note has."""
    if dataset is None:
        return f"{panel.name} → {dataset_label(results.study, test_set)}"
    source, target = (str(split_reference(name)[1]).replace("_", " ") for name in (panel.dataset, test_set))
    names = {"backbone": panel.backbone, "objective": results.objective_labels[panel.objective]}
    varied = [name for key, name in names.items() if len({getattr(p, key) for p in results.panels}) > 1]
    return ", ".join([f"{source} → {target}", *varied])
