"""Trade-off AUC of every variant of a sweep on every dataset."""

import pandas as pd

from tradeoff.artifacts.audits import audit_note
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.tables.auc import BLOCKS, area_cells, shared, words
from tradeoff.artifacts.tables.counts import counted
from tradeoff.artifacts.text import two_noted


def make(results: Results) -> Table:
    """Set variants in rows and datasets in columns, a block per strategy, backbone, objective and threat."""
    data = results.variants
    areas = data.assign(
        objective=data["objective"].map(results.objective_labels),
        probe=data["probe"].map(results.attack_labels),
    )
    datasets = list(dict.fromkeys(panel.dataset for panel in results.panels))
    shown = [key for key in BLOCKS if areas[key].nunique() > 1]
    rows = []
    for (*keys, family), block in areas.groupby([*BLOCKS, "family"], sort=False):
        first = [words(key, value) for key, value in zip(BLOCKS, keys, strict=True) if key in shown]
        labels = block.drop_duplicates("strategy").set_index("strategy")["variant"]
        columns = [area_cells(_column(block, dataset).reindex(labels.index)) for dataset in datasets]
        for label, *cells in zip(labels, *columns, strict=True):
            rows.append([*map(Cell, [*first, look(str(family)).label, label]), *cells])
    confidence = results.study["params"]["tradeoff"]["confidence"]
    caption = (
        f"{results.study['study']['title']}: trade-off AUC of each variant's own frontier, with"
        f" {confidence * 100:g}% intervals{two_noted(areas['seeds'])}{shared(areas, shown)}"
        f"{counted(areas, 'samples')}."
        f" Bold: best of its strategy; underlined: second.{audit_note(results)}"
    )
    header = [
        *map(BLOCKS.__getitem__, shown),
        "Strategy",
        "Variant",
        *map(results.dataset_labels.__getitem__, datasets),
    ]
    return Table(caption, header, rows, data, left=len(shown) + 2)


def _column(block: pd.DataFrame, dataset: str) -> pd.DataFrame:
    return block[block["dataset"] == dataset].set_index("strategy")
