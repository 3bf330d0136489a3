"""What every strategy trains: where, how, and how many parameters."""

from collections.abc import Hashable
from typing import Any

from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table

# Place and mechanism, besides the head, which always trains.
MECHANISMS = {
    "full": ("everything", "all weights"),
    "linear": ("head only", "linear classifier on frozen features"),
    "bitfit": ("every bias", "biases, weights frozen"),
    "lora": ("attention and MLP matrices", "low-rank update of the weights"),
    "adapter": ("after attention and after the MLP", "bottleneck with a residual connection"),
    "compacter": ("after attention and after the MLP", "bottleneck of hypercomplex, low-rank products"),
    "ia3": ("keys, values, MLP activations", "learned scales"),
    "norm": ("normalisation layers", "their scales and shifts"),
    "lp_ft": ("head, then everything", "linear probing, then all weights"),
    "dora": ("attention and MLP matrices", "low-rank update of direction, learned magnitude"),
    "vpt": ("input of the blocks", "learned prompt tokens"),
    "union": ("as its members", "several strategies at once"),
}


def make(results: Results) -> Table:
    """Set one row per backbone and strategy; counts that differ between datasets are given as a range."""
    runs = results.runs.assign(share=results.runs["trainable"] / results.runs["total"])
    several = runs["backbone"].nunique() > 1
    keys = ["backbone", "strategy", "family", "variant"]
    data = runs.groupby(keys, sort=False, dropna=False).agg(
        trainable_low=("trainable", "min"),
        trainable_high=("trainable", "max"),
        share_low=("share", "min"),
        share_high=("share", "max"),
    )
    data = data.reset_index()
    places = [MECHANISMS.get(family, ("—", "—")) for family in data["family"]]
    data = data.assign(place=[place for place, _ in places], mechanism=[mechanism for _, mechanism in places])
    rows = [[*([Cell(row["backbone"])] if several else []), *_cells(row)] for row in data.to_dict("records")]
    header = [
        *(["Backbone"] if several else []),
        "Strategy",
        "Place",
        "Mechanism",
        "Trainable parameters",
        "Share (%)",
    ]
    title = results.study["study"]["title"]
    caption = f"{title}: what each strategy trains besides the head, and its size with the head."
    return Table(caption, header, rows, data, left=4 if several else 3)


def _cells(row: dict[Hashable, Any]) -> list[Cell]:
    name = f"{look(row['family']).label} {row['variant']}".strip()
    counts = _range(*(f"{row[key]:,}" for key in ("trainable_low", "trainable_high")))
    shares = _range(*(f"{row[key] * 100:.2f}" for key in ("share_low", "share_high")))
    return [Cell(text) for text in (name, row["place"], row["mechanism"], counts, shares)]


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low}\N{EN DASH}{high}"
