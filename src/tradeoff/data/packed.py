"""A packed dataset, opened: its images mapped into memory, after checking that they are what was packed."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tradeoff.errors import UserError
from tradeoff.files import digest_of, read_json, sha256_of

HASHED_BELOW = 256 * 2**20  # bytes; larger files are checked by their size alone
FILES = ("images.npy", "index.parquet")


@dataclass(frozen=True)
class PackedDataset:
    """images: uint8 (N, 3, H, W), a read-only memory map. labels: (N,) int64. splits: (N,) texts.

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

    @classmethod
    def open(cls, folder: str | Path) -> "PackedDataset":
        """Open a folder that `tradeoff.data.pack` made; UserError when its files are not those packed."""
        folder = Path(folder)
        manifest = read_json(folder / "manifest.json")
        for name in FILES:
            _check(folder / name, manifest["bytes"][name], manifest["sha256"][name])
        index = pq.read_table(folder / "index.parquet")
        content = {key: manifest[key] for key in ("sha256", "class_names", "domain_names")}
        return cls(
            folder,
            _images(folder / "images.npy", manifest),
            index["label"].to_numpy(),
            index["domain"].fill_null(-1).to_numpy(),
            index["split"].to_numpy(),
            tuple(manifest["class_names"]),
            tuple(manifest["domain_names"]),
            digest_of(content),
        )


def _images(path: Path, manifest: dict[str, Any]) -> np.ndarray:
    images: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    if list(images.shape) != manifest["shape"] or images.dtype != np.uint8:
        raise _changed(path, f"{images.dtype} {images.shape}", f"uint8 {tuple(manifest['shape'])}")
    return images


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
