"""The images that a run trains on, validates on or is tested on.

Rows are ordered by a hash of (seed, row) and never by a library's random numbers, so that a split stays
the same in every version of everything.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tradeoff.data.numbers import hashes
from tradeoff.data.packed import PackedDataset
from tradeoff.data.streamed import StreamedImages
from tradeoff.errors import UserError

VALIDATION_STREAM, LIMIT_STREAM = 1, 2
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """images: (n, 3, H, W) uint8, to be taken by rows. labels: (n,) int64.

    ids: (n,) int64, rows of the packed dataset, rising.
    """

    images: np.ndarray | StreamedImages
    labels: np.ndarray
    ids: np.ndarray


def load_split(
    folder: str | Path,
    domain: str | None,
    split: str,
    *,
    validation_share: float,
    split_seed: int,
    limit: int | None,
) -> Split:
    """Return one split (train, validation or test) of a packed dataset, or of one domain of it.

    Official validation images are the validation split. Where there are none, it is a share of the training
    images, drawn by `split_seed` from every class (and domain) alike; what is left is the training split.
    limit: at most so many images, as even over the classes as they allow; a smaller limit's images are
    among a larger one's.
    UserError for an unknown domain, and for a split without images.
    """
    packed = PackedDataset.open(folder)
    rows = split_rows(packed, split, validation_share, split_seed)
    if domain is not None:
        rows = rows[packed.domains[rows] == _domain_code(packed, domain)]
    if limit is not None:
        rows = limited(rows, packed.labels[rows], limit, split_seed)
    if len(rows) == 0:
        raise UserError(
            f"{split} images of {packed.folder}{f', domain {domain}' if domain else ''}",
            "none",
            "at least one",
            "raise data.validation_share" if split == "validation" else f"raise data.limit.{split}",
        )
    return Split(packed.take(rows), packed.labels[rows], rows)


def split_rows(packed: PackedDataset, split: str, validation_share: float, seed: int) -> np.ndarray:
    """Return the rows (rising, int64) of one split of all domains together, without a limit."""
    official = np.flatnonzero(packed.splits == split)
    if split == "test" or "validation" in packed.splits:
        return official
    train = np.flatnonzero(packed.splits == "train")
    strata = np.stack([packed.domains[train], packed.labels[train]], axis=1)
    _, stratum = np.unique(strata, axis=0, return_inverse=True)
    place = _places(train, stratum, seed, VALIDATION_STREAM)
    # Rounded to the nearest number, a half upwards, and at least one image left to train on.
    sizes = np.bincount(stratum)
    wanted = np.minimum(np.floor(validation_share * sizes + 0.5).astype(np.int64), sizes - 1)
    held_out = place < wanted[stratum]
    chosen: np.ndarray = train[held_out if split == "validation" else ~held_out]
    return chosen


def limited(rows: np.ndarray, labels: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Return at most `limit` of the rows, rising: from every class its first, then its second, and so on."""
    place = _places(rows, labels, seed, LIMIT_STREAM)
    chosen = np.lexsort((hashes(seed, LIMIT_STREAM, rows), place))[:limit]
    return np.sort(rows[chosen])


def _places(rows: np.ndarray, groups: np.ndarray, seed: int, stream: int) -> np.ndarray:
    """Return each row's place, from 0, among those of its group in the order of their hashes."""
    order = np.lexsort((hashes(seed, stream, rows), groups))
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    places = np.empty(len(rows), dtype=np.int64)
    places[order] = np.arange(len(rows)) - starts[groups[order]]
    return places


def _domain_code(packed: PackedDataset, domain: str) -> int:
    if domain not in packed.domain_names:
        known = ", ".join(packed.domain_names) or "no domain"
        raise UserError(str(packed.folder), f"no domain {domain}", known)
    return packed.domain_names.index(domain)
