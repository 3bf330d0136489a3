"""Read a dataset, wherever it comes from, into the raw form: one function per kind of source."""

import hashlib
import importlib
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from tradeoff.data.raw import IMAGE, ROWS_PER_GROUP, RawDataset, open_parquet, table
from tradeoff.data.source import Columns, DatasetSource
from tradeoff.errors import UserError
from tradeoff.files import sha256_of
from tradeoff.progress import Progress

IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def read_generated(module: str) -> RawDataset:
    """Draw a dataset with its module's `generate`; images are kept as PNG."""
    drawn = importlib.import_module(module).generate()
    return RawDataset(
        drawn.class_names, (), False, _as_png(*drawn.train), _as_png(*drawn.test), {"files": []}
    )


def read_folder(root: Path, domains: Sequence[str]) -> RawDataset:
    """Read [<domain>/]{train,test}/<class>/<image>, classes and files in the order of their names.

    UserError when a split has a class that the other lacks, or no image.
    """
    roots = [root / domain for domain in domains] or [root]
    names = {
        split: sorted(
            {folder.name for each in roots for folder in (each / split).iterdir() if folder.is_dir()}
        )
        for split in ("train", "test")
    }
    if names["train"] != names["test"]:
        differing = sorted(set(names["train"]) ^ set(names["test"]))
        raise UserError(
            str(root), f"{_some(differing)} in one of train and test only", "the same classes in both"
        )
    classes = names["train"]
    files = {split: _image_files(roots, split, classes) for split in ("train", "test")}
    for split, found in files.items():
        if not found:
            raise UserError(str(root / split), "no images", "image files in a folder for each class")
    origin = {"files": [{"split": split, "name": f"{len(found)} images"} for split, found in files.items()]}
    tables = {split: _read_files(root, found, bool(domains)) for split, found in files.items()}
    return RawDataset(classes, domains, False, tables["train"], tables["test"], origin)


def read_parquet(
    name: str,
    source: DatasetSource,
    files: dict[str, list[Path]],
    columns: dict[str, Columns],
    sha256: dict[str, str],
    scratch: Path,
) -> RawDataset:
    """Read Parquet files (by split: train, test, perhaps validation) through HF `datasets`.

    columns: names of the columns, by split. sha256: expected checksums by split, of its files joined in their
    order; may lack splits. scratch: a folder for the loader's cache, which the caller removes after the rows
    were read.
    UserError for a file that is missing, broken or of another checksum, for missing columns, and for labels
    or domains that are not what the source says.
    """
    print(f"{name}: checking and loading {sum(map(len, files.values()))} files", flush=True)
    read = [
        _check_file(split, path, columns[split], source) for split, paths in files.items() for path in paths
    ]
    sums = {split: _joined_sha256(paths) for split, paths in files.items()}
    for split, paths in files.items():
        check_sum(name, split, ", ".join(path.name for path in paths), sums[split], sha256.get(split))
    loaded = {split: _load(paths, scratch / split) for split, paths in files.items()}
    labels = {split: columns[split].label for split in files}
    class_names = _names(name, loaded, labels, source.classes, columns["train"].offset)
    domain_names = []
    if source.domains:
        domain_names = _names(name, loaded, {split: columns[split].domain for split in files}, None, 0)
    if source.classes is not None and len(class_names) != source.classes:
        raise UserError(f"dataset {name}", f"{len(class_names)} classes", f"{source.classes}")
    if sorted(domain_names) != sorted(source.domains):
        raise UserError(f"dataset {name}", f"domains {_some(domain_names)}", f"{_some(source.domains)}")

    def tables(*splits: str) -> Iterator[pa.Table]:
        done = 0
        progress = Progress(
            f"{name}, {' and '.join(splits)} images", sum(len(loaded[each]) for each in splits)
        )
        for split in splits:
            for batch in loaded[split].with_format("arrow").iter(ROWS_PER_GROUP):
                where = f"dataset {name}, split {split}"
                rows = _to_raw(batch, columns[split], class_names, domain_names, where)
                kept = batch["split"] if official else pa.array([split] * len(rows), pa.string())
                yield rows.append_column("split", kept)
                progress.update(done := done + len(rows))

    # A mirror of a dataset with official validation images is in the raw form, which says them in train.parquet.
    official = "split" in loaded["train"].column_names and set(loaded["train"].unique("split")) == {
        "train",
        "validation",
    }
    validation = "validation" in files or official
    train = tables("train", "validation") if "validation" in files else tables("train")
    return RawDataset(
        class_names, domain_names, validation, train, tables("test"), {"files": read, "source_sha256": sums}
    )


def check_sum(name: str, split: str, files: str, found: str, expected: str | None) -> None:
    """UserError unless the files of a split have the checksum that is expected, if any is."""
    if expected not in (None, found):
        raise UserError(
            f"dataset {name}: {files}",
            f"sha256 {found}",
            str(expected),
            f"fetch it again, or correct datasets.{name}.sha256.{split}",
        )


def _as_png(images: np.ndarray, labels: np.ndarray) -> Iterator[pa.Table]:
    for start in range(0, len(images), ROWS_PER_GROUP):
        rows = slice(start, start + ROWS_PER_GROUP)
        encoded = []
        for image in images[rows]:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            encoded.append(buffer.getvalue())
        yield table(encoded, labels[rows].tolist())


def _image_files(roots: Sequence[Path], split: str, classes: Sequence[str]) -> list[tuple[Path, int, int]]:
    """Return (file, label, domain) of every image of a split."""
    return [
        (path, label, domain)
        for domain, root in enumerate(roots)
        for label, class_name in enumerate(classes)
        for path in sorted((root / split / class_name).glob("*"))
        if path.suffix.lower() in IMAGE_ENDINGS
    ]


def _read_files(root: Path, files: list[tuple[Path, int, int]], with_domains: bool) -> Iterator[pa.Table]:
    progress = Progress(f"{root}, images", len(files))
    for start in range(0, len(files), ROWS_PER_GROUP):
        paths, labels, domains = zip(*files[start : start + ROWS_PER_GROUP], strict=True)
        yield table(
            [path.read_bytes() for path in paths],
            labels,
            [path.relative_to(root).as_posix() for path in paths],
            domains if with_domains else None,
        )
        progress.update(start + len(paths))


def _check_file(split: str, path: Path, columns: Columns, source: DatasetSource) -> dict[str, str]:
    """Check that a file is whole and has the columns; return what source.json says of it."""
    found = open_parquet(path).schema_arrow.names
    wanted = [columns.image, columns.label, *([columns.domain] if source.domains else [])]
    if missing := [column for column in wanted if column not in found]:
        raise UserError(
            str(path), f"columns {', '.join(found)}", f"also {', '.join(missing)}", "name the right columns"
        )
    return {"split": split, "name": path.name, "sha256": sha256_of(path)}


def _joined_sha256(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _load(files: list[Path], scratch: Path) -> Any:
    """Return the Dataset of one split's Parquet files."""
    import datasets

    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(
            "parquet", data_files=[str(path) for path in files], split="train", cache_dir=str(scratch)
        )
    except datasets.exceptions.DatasetGenerationError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno is not None:
            raise error.__cause__ from None  # such as a full disk
        names = ", ".join(str(path) for path in files)
        reason = error.__cause__ or error
        raise UserError(names, f"unreadable rows ({reason})", "whole Parquet files of one schema") from None


def _names(
    name: str, loaded: dict[str, Any], columns: dict[str, str], expected: int | None, offset: int
) -> list[str]:
    """Return the names of a column's classes: its feature's, or else its own texts, or its numbers.

    UserError when splits name them differently: the same number would then mean two classes.
    """
    named = {
        split: list(getattr(data.features[columns[split]], "names", None) or [])
        for split, data in loaded.items()
    }
    if train := named["train"]:
        for split, names in named.items():
            # Names that only repeat the numbers, as in some copies, cannot contradict.
            if names and names != train and names != [str(number) for number in range(len(train))]:
                first = next(pair for pair in itertools.zip_longest(names, train) if pair[0] != pair[1])
                raise UserError(
                    f"dataset {name}, split {split}",
                    f"the class {first[0]!r}",
                    f"{first[1]!r} in its place, as in the training images",
                    "give every split the same classes in the same order",
                )
        # Some sources that count from 1 name a class 0 as well, which no image has.
        spare = offset if expected is not None and len(train) == expected + offset else 0
        return train[spare:]
    values = sorted({value for split, data in loaded.items() for value in data.unique(columns[split])})
    if values and isinstance(values[0], str):
        return values
    return [str(number) for number in range(offset, (values[-1] if values else 0) + 1)]


def _to_raw(
    batch: pa.Table, columns: Columns, class_names: list[str], domain_names: list[str], where: str
) -> pa.Table:
    raw = {
        "image": _encoded(batch[columns.image], where),
        "label": _codes(
            batch[columns.label], class_names, columns.offset, f"{where}, column {columns.label}"
        ),
    }
    if domain_names:
        raw["domain"] = _codes(batch[columns.domain], domain_names, 0, f"{where}, column {columns.domain}")
    return pa.table(raw)


def _encoded(images: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Return images as structs of bytes and path, from such structs or from plain bytes."""
    if pa.types.is_struct(images.type):
        encoded, paths = pc.struct_field(images, "bytes"), pc.struct_field(images, "path")
    elif pa.types.is_binary(images.type) or pa.types.is_large_binary(images.type):
        encoded, paths = images.cast(pa.binary()), pa.nulls(len(images), pa.string())
    else:
        raise UserError(where, f"images as {images.type}", "encoded images (bytes)")
    if encoded.null_count:
        raise UserError(where, f"{encoded.null_count} images without bytes", "encoded images in the file")
    encoded, paths = (
        each.combine_chunks() if isinstance(each, pa.ChunkedArray) else each for each in (encoded, paths)
    )
    return pa.chunked_array([pa.StructArray.from_arrays([encoded, paths], fields=list(IMAGE))])


def _codes(values: pa.ChunkedArray, names: list[str], offset: int, where: str) -> pa.ChunkedArray:
    """Return class numbers from 0, out of numbers from `offset` or of names."""
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        codes = pc.index_in(values.cast(pa.string()), pa.array(names)).cast(pa.int64())
    else:
        codes = pc.subtract(values.cast(pa.int64()), offset)
    if codes.null_count:
        raise UserError(where, f"{codes.null_count} rows without a value", "a value in every row")
    found = pc.min_max(codes).as_py()
    if not 0 <= found["min"] <= found["max"] < len(names):
        raise UserError(
            where,
            f"numbers from {found['min'] + offset} to {found['max'] + offset}",
            f"numbers from {offset} to {len(names) - 1 + offset}",
        )
    return codes


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (" ..." if len(names) > 6 else "") if names else "none"
