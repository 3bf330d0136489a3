"""The one form in which every fetched dataset lies on disk: Parquet with the features of HF `datasets`.

Columns: image (struct of bytes, an encoded image, and path, perhaps null), label (int64), and where the
dataset has them domain (int64) and split (string: train or validation, in train.parquet).
`datasets.load_dataset("parquet", ...)` reads it with features Image, ClassLabel, ClassLabel and string.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tradeoff.errors import UserError
from tradeoff.files import whole_file

ROWS_PER_GROUP = 1000  # few enough that a group of large photographs stays small in memory
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class RawDataset:
    """A dataset ready to be written: names, and the rows of train.parquet and test.parquet.

    Tables have the columns of `schema`, in any number of rows.
    origin: what source.json says of where it comes from; files: (split, name, sha256) of what was read.
    """

    class_names: Sequence[str]
    domain_names: Sequence[str]
    validation: bool
    train: Iterable[pa.Table]
    test: Iterable[pa.Table]
    origin: dict[str, Any]

    @property
    def schema(self) -> pa.Schema:
        """The columns, with the features that `datasets` reads written into the schema's metadata."""
        fields = [pa.field("image", IMAGE), pa.field("label", pa.int64())]
        features: dict[str, Any] = {
            "image": {"_type": "Image"},
            "label": {"names": list(self.class_names), "_type": "ClassLabel"},
        }
        if self.domain_names:
            fields.append(pa.field("domain", pa.int64()))
            features["domain"] = {"names": list(self.domain_names), "_type": "ClassLabel"}
        if self.validation:
            fields.append(pa.field("split", pa.string()))
            features["split"] = {"dtype": "string", "_type": "Value"}
        return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def write(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> dict[str, int]:
    """Write tables as one Parquet file, whole or not at all; return the rows of each split they name."""
    counts: dict[str, int] = {}
    with (
        whole_file(path) as temporary,
        pq.ParquetWriter(temporary, schema, use_dictionary=["label"], compression="zstd") as writer,
    ):
        for table in _regroup(tables):
            writer.write_table(table.select(schema.names).cast(schema))
            splits = table["split"].to_pylist() if "split" in schema.names else [path.stem] * len(table)
            for split in sorted(set(splits)):
                counts[split] = counts.get(split, 0) + splits.count(split)
    return counts


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file; UserError when it is missing, cut short or something else."""
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError:
        raise UserError(str(path), "no such file", "a Parquet file") from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            str(path), f"a broken file ({error})", "a whole Parquet file", "delete it and fetch it again"
        ) from None


def table(
    images: Sequence[bytes],
    labels: Sequence[int],
    paths: Sequence[str | None] | None = None,
    domains: Sequence[int] | None = None,
) -> pa.Table:
    """Return rows in the raw form from encoded images, labels, and (where known) paths and domains."""
    structs = [
        {"bytes": image, "path": path}
        for image, path in zip(images, paths or itertools.repeat(None, len(images)), strict=True)
    ]
    columns: dict[str, pa.Array] = {
        "image": pa.array(structs, IMAGE),
        "label": pa.array(labels, pa.int64()),
    }
    if domains is not None:
        columns["domain"] = pa.array(domains, pa.int64())
    return pa.table(columns)


def _regroup(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the same rows in tables of ROWS_PER_GROUP, so that the file does not depend on how they came."""
    waiting: list[pa.Table] = []
    rows = 0
    for each in tables:
        waiting.append(each)
        rows += len(each)
        while rows >= ROWS_PER_GROUP:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, ROWS_PER_GROUP)
            waiting = [joined.slice(ROWS_PER_GROUP)]
            rows -= ROWS_PER_GROUP
    if rows:
        yield pa.concat_tables(waiting)
