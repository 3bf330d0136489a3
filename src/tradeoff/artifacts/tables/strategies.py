"""What every strategy trains: where, how, and how many parameters."""

from collections.abc import Hashable
from typing import Any

import pandas as pd

from tradeoff import published
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table

# The backbone of Li et al. (ICCV 2025), whatever its weights.
THEIR_MODEL = "vit_base_patch16_224"
NOTE = (
    " Published: by the code of Li et al. (ICCV 2025), with 10 to 200 classes and its own ranks and reductions; in full"
    " and BitFit it counts a pooler that is never used. The 0.07% to 3.97% of the parameters in their text are its"
    " Compacter and Adapter with 10 classes."
)


def make(results: Results) -> Table:
    """Set one row per backbone and strategy; counts that differ between datasets are given as a range.

    On a ViT-B/16 the counts of Li et al. (ICCV 2025) stand beside.
    """
    runs = results.runs.assign(share=results.runs["trainable"] / results.runs["total"])
    several = runs["backbone"].nunique() > 1
    keys = ["backbone", "strategy", "family", "variant"]
    data = runs.groupby(keys, sort=False, dropna=False).agg(
        place=("place", "first"),
        mechanism=("mechanism", "first"),
        trainable_low=("trainable", "min"),
        trainable_high=("trainable", "max"),
        share_low=("share", "min"),
        share_high=("share", "max"),
    )
    data = data.reset_index().merge(_published(results), on=["backbone", "family", "variant"], how="left")
    beside = bool(data["published_low"].notna().any())
    rows = [
        [*([Cell(row["backbone"])] if several else []), *_cells(row, beside)]
        for row in data.to_dict("records")
    ]
    header = [
        *(["Backbone"] if several else []),
        "Strategy",
        "Place",
        "Mechanism",
        "Trainable parameters",
        "Share (%)",
        *(["Trainable, published"] if beside else []),
    ]
    caption = (
        f"{results.study['study']['title']}: what each strategy trains besides the head, and its size with the head."
        f"{NOTE if beside else ''}"
    )
    return Table(caption, header, rows, data, left=4 if several else 3)


def _published(results: Results) -> pd.DataFrame:
    """The counts of Li et al., for each backbone of the study that is theirs; sweeps are not compared."""
    models = results.study["params"]["backbones"]
    used = dict.fromkeys(run["backbone"] for run in results.study["runs"])
    theirs = [name for name in used if models[name]["model"].partition(".")[0] == THEIR_MODEL]
    counts = published.parameter_counts().groupby("family")["trainable"].agg(["min", "max"]).reset_index()
    counts = counts.rename(columns={"min": "published_low", "max": "published_high"}).assign(variant="")
    return counts.merge(pd.DataFrame({"backbone": pd.Series(theirs, dtype=object)}), how="cross")


def _cells(row: dict[Hashable, Any], beside: bool) -> list[Cell]:
    name = f"{look(row['family']).label} {row['variant']}".strip()
    counts = _range(*(f"{row[key]:,}" for key in ("trainable_low", "trainable_high")))
    shares = _range(*(f"{row[key] * 100:.2f}" for key in ("share_low", "share_high")))
    texts = [name, row["place"], row["mechanism"], counts, shares]
    if beside:
        limits = [row[key] for key in ("published_low", "published_high")]
        texts.append("—" if pd.isna(limits[0]) else _range(*(f"{int(count):,}" for count in limits)))
    return [Cell(text) for text in texts]


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low}\N{EN DASH}{high}"
