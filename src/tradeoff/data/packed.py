"""A packed dataset, opened: its images mapped into memory, after checking that they are what was packed."""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tradeoff.data.decode import Form
from tradeoff.data.streamed import StreamedImages
from tradeoff.errors import UserError
from tradeoff.files import digest_of, sha256_of
from tradeoff.seals import read_sealed

HASHED_BELOW = 256 * 2**20  # bytes; larger files are checked by their size alone


@dataclass(frozen=True)
class PackedDataset:
    """images: uint8 (N - S, 3, H, W), a read-only memory map. labels: (N,) int64. splits: (N,) texts.

    streamed: images of the first S rows, where the dataset is too large to keep all of them decoded; else None
    and S is 0.
    domains: (N,) int64, places in domain_names; -1 everywhere without domains.
    digest: sha256 of what is in it: pixels, labels, domains, splits, and the names of classes and domains.
    """

    folder: Path
    images: np.ndarray
    labels: np.ndarray
    domains: np.ndarray
    splits: np.ndarray
    class_names: tuple[str, ...]
    domain_names: tuple[str, ...]
    digest: str
    streamed: StreamedImages | None = None

    @classmethod
    def open(cls, folder: str | Path) -> "PackedDataset":
        """Open a folder that `tradeoff.data.pack` made; UserError when its files are not those packed."""
        folder = Path(folder)
        manifest = read_sealed(folder / "manifest.json")
        for name in manifest["bytes"]:
            _check(folder / name, manifest["bytes"][name], manifest["sha256"][name])
        index = pq.read_table(folder / "index.parquet")
        return cls(
            folder,
            _images(folder / "images.npy", manifest),
            index["label"].to_numpy(),
            index["domain"].fill_null(-1).to_numpy(),
            index["split"].to_numpy(),
            tuple(manifest["class_names"]),
            tuple(manifest["domain_names"]),
            content_digest(manifest),
            _streamed(folder, manifest, index) if "encoded.bin" in manifest["bytes"] else None,
        )

    def take(self, rows: np.ndarray) -> "np.ndarray | StreamedImages":
        """Return the images of rows (rising): still mapped where they are consecutive, else in memory or streamed.

        Rows of training and of test images together are for no one, and a ValueError where some are streamed.
        """
        before = len(self.streamed) if self.streamed is not None else 0
        if self.streamed is not None and rows[0] < before:
            if rows[-1] >= before:
                raise ValueError("rows of both training and test images")
            return self.streamed.take(rows)
        rows = rows - before
        consecutive = rows[-1] - rows[0] + 1 == len(rows)
        taken: np.ndarray = self.images[rows[0] : rows[-1] + 1] if consecutive else self.images[rows]
        return taken


def content_digest(manifest: dict[str, Any]) -> str:
    """Return the digest of what a packed dataset's manifest says is in it."""
    return digest_of({key: manifest[key] for key in ("sha256", "class_names", "domain_names")})


def packed_alike(folder: Path, dataset: str) -> Path:
    """Return the folder of another dataset, packed in the form that the one in `folder` is."""
    return folder.with_name("@".join([dataset, *folder.name.split("@")[1:]]))


def _images(path: Path, manifest: dict[str, Any]) -> np.ndarray:
    try:
        images: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:  # an array of objects, or none at all
        raise _changed(path, str(error), "an array of numbers") from None
    if list(images.shape) != manifest["shape"] or images.dtype != np.uint8:
        raise _changed(path, f"{images.dtype} {images.shape}", f"uint8 {tuple(manifest['shape'])}")
    return images


def _streamed(folder: Path, manifest: dict[str, Any], index: pa.Table) -> StreamedImages:
    starts, stops = (index[name].drop_null().to_numpy() for name in ("start", "stop"))
    form = Form(*(manifest[field.name] for field in fields(Form)))
    return StreamedImages(folder / "encoded.bin", starts, stops, form)


def _check(path: Path, size: int, sha256: str) -> None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise _changed(path, "no such file", f"{size} bytes") from None
    if stat.st_size != size:
        raise _changed(path, f"{stat.st_size} bytes", f"{size} bytes")
    if size < HASHED_BELOW and (found := _sha256(path, stat.st_mtime_ns)) != sha256:
        raise _changed(path, f"sha256 {found}", sha256)


def _changed(path: Path, found: str, expected: str) -> UserError:
    return UserError(
        str(path), found, f"{expected}, as in manifest.json", f"delete the folder {path.parent} and rerun"
    )


@cache
def _sha256(path: Path, modified: int) -> str:
    """Hash a file once in a process, and again when it was modified."""
    return sha256_of(path)
