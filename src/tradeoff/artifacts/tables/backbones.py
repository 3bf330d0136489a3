"""The backbones of a study: models, sizes, and where their weights come from."""

from typing import Any

import pandas as pd

from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table


def make(results: Results) -> Table:
    """Set one row per backbone; the number of parameters includes heads, so it may be a range."""
    sections = results.study["params"]["backbones"]
    sizes = results.runs.groupby("backbone", sort=False)["total"].agg(["min", "max"])
    records = [
        {
            "backbone": str(name),
            "model": sections[name]["model"],
            "parameters_low": int(row["min"]),
            "parameters_high": int(row["max"]),
            "image_size": sections[name]["image_size"],
            "weights": _source(sections[name]["weights"]),
        }
        for name, row in sizes.iterrows()
    ]
    rows = [
        [
            Cell(row["backbone"]),
            Cell(row["model"]),
            Cell(row["weights"]),
            Cell(_millions(row["parameters_low"], row["parameters_high"])),
            Cell(str(row["image_size"])),
        ]
        for row in records
    ]
    header = ["Backbone", "Model", "Weights", "Parameters (M)", "Image size"]
    caption = f"{results.study['study']['title']}: its backbones. Parameters include the head and what a strategy adds."
    return Table(caption, header, rows, pd.DataFrame(records), left=3)


def _source(weights: dict[str, Any]) -> str:
    if "pretrain" in weights:
        return f"pre-trained here on {weights['pretrain']}"
    return str(weights.get("hub") or weights["file"])


def _millions(low: int, high: int) -> str:
    texts = [f"{count / 1e6:.1f}" for count in (low, high)]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]}\N{EN DASH}{texts[1]}"
