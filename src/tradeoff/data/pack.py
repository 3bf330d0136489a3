"""Decode a fetched dataset once, into an array that every run maps into memory, or as much of it as fits."""

import hashlib
import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tradeoff.data.decode import INTERPOLATIONS, RESIZES, DecodeError, Form, decode
from tradeoff.data.raw import open_parquet
from tradeoff.errors import UserError
from tradeoff.files import whole_file
from tradeoff.identity import DATA_LIBRARIES, versions
from tradeoff.progress import Progress
from tradeoff.seals import check, read_sealed, recorded, sums, write_sealed
from tradeoff.termination import end_with_parent

ROWS_AT_ONCE = 500
TRAIN = "train.parquet"
FILES = (TRAIN, "test.parquet")


def pack(
    raw: Path,
    output: Path,
    form: Form,
    workers: int = 1,
    up_to: float = math.inf,
    code: str | None = None,
) -> None:
    """Write images.npy, index.parquet and, last, manifest.json into `output`.

    raw: a folder that `tradeoff.data.fetch` made. workers: processes that decode; their number does not change
    a byte.
    images.npy is uint8 (N, 3, size, size), the rows of train.parquet and then of test.parquet; index.parquet
    has row, label, domain (null without domains) and split (train, validation or test).
    up_to: bytes. Above it only the rows of test.parquet, which every probe looks at, are kept decoded; those of
    train.parquet are streamed: encoded.bin holds them as they came, and the index says where (start, stop).
    code: fingerprint of the code that runs, kept in the manifest.
    UserError for an image that does not decode, and for a class without test images.
    """
    if form.resize not in RESIZES or form.interpolation not in INTERPOLATIONS or form.size < 1:
        raise UserError(
            "pack",
            f"size {form.size}, resize {form.resize}, interpolation {form.interpolation}",
            f"a positive size, {' or '.join(RESIZES)}, {' or '.join(INTERPOLATIONS)}",
        )
    source = read_sealed(raw / "source.json")
    for fetched, sha256 in recorded(raw / "source.json").items():
        check(fetched, sha256)
    index = _index(raw)
    _check_test_images(raw, index, source)
    decoded = len(index) * 3 * form.size**2
    streamed = _rows(raw / TRAIN) if decoded > up_to else 0
    files = ["images.npy", "index.parquet"]
    workers = min(workers, len(index) // (2 * ROWS_AT_ONCE))  # more would take longer to start than to decode
    duplicates = _Duplicates(index["split"].to_pylist())
    shape = (len(index) - streamed, 3, form.size, form.size)
    with whole_file(output / "images.npy") as temporary, open(temporary, "wb") as file:
        # Written in order rather than through a memory map: a full disk is then an error, not a crash.
        np.lib.format.write_array_header_1_0(
            file,
            {"descr": "|u1", "fortran_order": False, "shape": shape},  # type: ignore[arg-type]
        )
        progress = Progress(f"{raw.name}, images decoded", len(index))
        _write_images(file, _decoded(_batches(raw), form, workers), streamed, duplicates, progress)
    if streamed:
        files.append("encoded.bin")
        print(f"writing {streamed} training images as they came", flush=True)
        index = _with_places(index, _write_encoded(raw, output / "encoded.bin"))
    if duplicates.leaked:
        print(
            f"{len(duplicates.leaked)} test images are training images too: see leaked_test_rows in the manifest"
        )
    with whole_file(output / "index.parquet") as temporary:
        pq.write_table(index, temporary)
    write_sealed(
        output / "manifest.json",
        {
            "shape": shape,
            "dtype": "uint8",
            **asdict(form),
            "storage": _storage(decoded, streamed, up_to),
            "class_names": source["class_names"],
            "domain_names": source["domain_names"],
            "counts": _counts(index, source["class_names"]),
            "duplicates": duplicates.counts(),
            "leaked_test_rows": duplicates.leaked,
            "bytes": {name: (output / name).stat().st_size for name in files},
            "sha256": sums(output, files),
            "code": code,
            "versions": versions(DATA_LIBRARIES),
            "source": {
                key: value for key, value in source.items() if key not in ("class_names", "domain_names")
            },
        },
    )


def _storage(decoded: int, streamed: int, up_to: float) -> dict[str, Any]:
    """What the manifest says of how images are kept, and why."""
    if not streamed:
        return {"kind": "packed", "why": f"{_gb(decoded)} decoded, within the limit", "streamed": 0}
    why = f"{_gb(decoded)} decoded, above the limit of {_gb(up_to)}: only the test images are kept so"
    return {"kind": "streamed", "why": why, "streamed": streamed}


def _gb(size: float) -> str:
    return f"{size / 1e9:.3g} GB"


class _Duplicates:
    """Counts images with the same pixels, as they pass in the order of rows.

    leaked: rows of test images that are among the training or validation images.
    """

    def __init__(self, splits: list[str]) -> None:
        self.splits = iter(splits)
        self.seen: dict[str, set[bytes]] = defaultdict(set)
        self.found: Counter[str] = Counter()
        self.row = 0
        self.leaked: list[int] = []

    def add(self, images: np.ndarray) -> None:
        for image, split in zip(images, self.splits, strict=False):
            pixels = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
            self.found[f"within {split}"] += pixels in self.seen[split]
            if split == "test":
                elsewhere = {other: pixels in self.seen[other] for other in self.seen.keys() - {"test"}}
                for other, is_there in elsewhere.items():
                    self.found[f"test in {other}"] += is_there
                self.leaked += [self.row] if any(elsewhere.values()) else []
            self.seen[split].add(pixels)
            self.row += 1

    def counts(self) -> dict[str, int]:
        """Images equal, pixel by pixel as packed, to an earlier one of their split or to one of another."""
        return dict(sorted(self.found.items()))


def _index(raw: Path) -> pa.Table:
    """Return row, label, domain and split of every image."""
    parts = []
    for name in FILES:
        columns = [field for field in open_parquet(raw / name).schema_arrow.names if field != "image"]
        table = pq.read_table(raw / name, columns=columns)
        split = (
            table["split"]
            if "split" in columns
            else pa.array([name.removesuffix(".parquet")] * len(table), pa.string())
        )
        domain = table["domain"] if "domain" in columns else pa.nulls(len(table), pa.int64())
        parts.append(pa.table({"label": table["label"], "domain": domain, "split": split}))
    index = pa.concat_tables(parts).combine_chunks().replace_schema_metadata()
    return index.add_column(0, "row", pa.array(np.arange(len(index)), pa.int64()))


def _check_test_images(raw: Path, index: pa.Table, source: dict[str, Any]) -> None:
    tested = set(index.filter(pc.equal(index["split"], "test"))["label"].to_pylist())
    missing = [name for label, name in enumerate(source["class_names"]) if label not in tested]
    if missing:
        raise UserError(
            str(raw / "test.parquet"),
            f"no test image of {len(missing)} classes ({', '.join(missing[:5])})",
            "at least one of every class",
            "add some, or leave these classes out",
        )


def _batches(raw: Path) -> Iterator[tuple[str, int, list[bytes]]]:
    """Yield (file, first row in it, encoded images), in the order of rows."""
    for name in FILES:
        row = 0
        for batch in open_parquet(raw / name).iter_batches(ROWS_AT_ONCE, columns=["image"]):
            encoded = pc.struct_field(batch.column("image"), "bytes").to_pylist()
            yield str(raw / name), row, encoded
            row += len(encoded)


def _rows(file: Path) -> int:
    return int(open_parquet(file).metadata.num_rows)


def _write_encoded(raw: Path, path: Path) -> list[int]:
    """Write the training images one after the other as they came; return their lengths in bytes."""
    lengths: list[int] = []
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        for name, _, encoded in _batches(raw):
            if name == str(raw / TRAIN):
                file.writelines(encoded)
                lengths += map(len, encoded)
    return lengths


def _with_places(index: pa.Table, lengths: list[int]) -> pa.Table:
    """Add to the index where each streamed image lies: start and stop, null for the others."""
    stops = np.cumsum(np.array(lengths, dtype=np.int64))
    others = [None] * (len(index) - len(lengths))
    for name, places in (("start", stops - lengths), ("stop", stops)):
        index = index.append_column(name, pa.array([*places.tolist(), *others], pa.int64()))
    return index


def _write_images(
    file: IO[bytes],
    batches: Iterator[np.ndarray],
    streamed: int,
    duplicates: _Duplicates,
    progress: Progress,
) -> None:
    """Write the images from row `streamed` on; look at all of them."""
    row = 0
    for images in batches:
        duplicates.add(images)
        file.write(images[max(0, streamed - row) :].tobytes())
        row += len(images)
        progress.update(row)


def _decoded(
    batches: Iterator[tuple[str, int, list[bytes]]], form: Form, workers: int
) -> Iterator[np.ndarray]:
    if workers < 2:
        for file, row, encoded in batches:
            with _naming(file, row):
                yield decode(encoded, form)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent) as pool:
        waiting: deque[tuple[str, int, Future[np.ndarray]]] = deque()
        for file, row, encoded in batches:
            waiting.append((file, row, pool.submit(decode, encoded, form)))
            if len(waiting) > 2 * workers:  # so that memory holds a few batches, not the dataset
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())


def _result(file: str, row: int, future: "Future[np.ndarray]") -> np.ndarray:
    with _naming(file, row):
        return future.result()


@contextmanager
def _naming(file: str, first_row: int) -> Iterator[None]:
    """Turn a DecodeError into a UserError that names file and row."""
    try:
        yield
    except DecodeError as error:
        raise UserError(
            f"{file}, row {first_row + error.row}",
            f"an image that does not decode ({error.reason})",
            "a whole image",
            "fetch the dataset again, or leave this image out",
        ) from None


def _counts(index: pa.Table, class_names: list[str]) -> dict[str, dict[str, int]]:
    """Images of every class in every split."""
    found = Counter(zip(index["split"].to_pylist(), index["label"].to_pylist(), strict=True))
    splits = sorted({split for split, _ in found})
    return {split: {name: found[split, label] for label, name in enumerate(class_names)} for split in splits}
