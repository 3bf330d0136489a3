"""Recipes of single cells: what `make tune` chose, and what the study pins."""

import pandas as pd

from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table

SHOWN = ("learning_rate", "weight_decay")


def make(results: Results) -> Table:
    """Set one row per cell that has a recipe of its own; a pinned value stands over a tuned one."""
    params = results.study["params"]
    tuned, pinned = params.get("tuned", {}), params.get("recipes", {})
    families = {run["strategy"]: run["family"] for run in results.study["runs"]}
    records = []
    for cell in sorted({*tuned, *pinned}):
        dataset, backbone, strategy, *objective = cell.split("/")
        values = tuned.get(cell, {}) | pinned.get(cell, {})
        records.append(
            {
                "dataset": dataset,
                "backbone": backbone,
                "strategy": strategy,
                "objective": objective[0] if objective else "every",
                **{name: values.get(name) for name in SHOWN},
                "others": ", ".join(f"{key} {value}" for key, value in values.items() if key not in SHOWN),
                "from": " and ".join(
                    word for word, section in (("tuned", tuned), ("pinned", pinned)) if cell in section
                ),
            }
        )
    rows = [
        [
            *(Cell(str(record[key])) for key in ("dataset", "backbone")),
            Cell(_label(str(record["strategy"]), families)),
            Cell(str(record["objective"])),
            *(Cell("—" if record[name] is None else f"{record[name]:g}") for name in SHOWN),
            Cell(str(record["others"]) or "—"),
            Cell(str(record["from"])),
        ]
        for record in records
    ]
    caption = (
        f"{results.study['study']['title']}: recipes of single cells, searched on validation images (tuned) or stated"
        " by the study (pinned); all others are those of its params."
    )
    header = [
        "Dataset",
        "Backbone",
        "Strategy",
        "Objective",
        "Learning rate",
        "Weight decay",
        "Others",
        "From",
    ]
    return Table(caption, header, rows, pd.DataFrame(records), left=4)


def _label(strategy: str, families: dict[str, str]) -> str:
    family = families.get(strategy, strategy)
    return look(family).label if family == strategy else strategy
