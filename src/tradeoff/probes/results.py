"""A probe's tidy table. Equal content gives equal bytes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tradeoff.files import canonical_json, whole_file

SCHEMA = pa.schema(
    [
        ("step", pa.int64()),
        ("epoch", pa.float64()),
        ("test_set", pa.string()),
        ("domain", pa.string()),
        ("probe", pa.string()),
        ("threat", pa.string()),
        ("epsilon", pa.float64()),  # null under a corruption
        ("severity", pa.int64()),  # null without
        ("n", pa.int64()),
        ("correct", pa.int64()),
        ("accuracy", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        # Null where the number is exact: no shortcuts were taken.
        ("audited", pa.int64()),
        ("disagreed", pa.int64()),
    ]
)
CONFIDENCE = 0.95


def write_table(
    path: Path, rows: Sequence[Mapping[str, Any]], identity: Mapping[str, Any], flags: Sequence[str]
) -> None:
    """Write rows (the columns of SCHEMA but accuracy, low and high) as Parquet.

    low, high: the 95% Wilson interval. Rows may lack audited and disagreed, which stay null. The schema metadata
    holds `identity` and `flags`, each JSON.
    """
    complete = [{**row, **_shares(row["correct"], row["n"])} for row in rows]
    about = {"identity": canonical_json(dict(identity)), "flags": json.dumps(list(flags))}
    table = pa.Table.from_pylist(complete, schema=SCHEMA.with_metadata(about))
    with whole_file(path) as temporary:
        pq.write_table(table, temporary)


def wilson(correct: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the limits of Wilson's score interval of correct / n, n >= 1 (J. Am. Stat. Assoc. 22, 1927)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (correct + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * (correct * (n - correct) / n + z * z / 4) ** 0.5
    # At 0 and n a limit is 0 or 1 exactly; rounding would leave it a little beside.
    return (centre - half if correct else 0.0), (centre + half if correct < n else 1.0)


def _shares(correct: int, n: int) -> dict[str, float]:
    low, high = wilson(correct, n)
    return {"accuracy": correct / n, "low": low, "high": high}
