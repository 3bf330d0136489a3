"""How many images a study's datasets have, before and after they are fetched."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tradeoff.data import registry
from tradeoff.data.readers import IMAGE_ENDINGS
from tradeoff.data.source import DatasetSource
from tradeoff.errors import UserError
from tradeoff.files import read_json
from tradeoff.study import Study

# ASSUME: of a dataset that nobody has counted yet.
UNKNOWN = {"train": 10_000, "test": 2_000}
UNKNOWN_CLASSES = 100
UNKNOWN_BYTES, DRAWN_BYTES = 40_000, 1_000  # of an image, encoded: a photograph, and one drawn by a program


@dataclass(frozen=True)
class Counts:
    """Images of a dataset, or of one domain of it, by split (train, validation where official, test).

    classes: how many; bytes: of the encoded images of the whole dataset; known: counted, not assumed.
    """

    splits: dict[str, int]
    classes: int
    bytes: int
    known: bool = True

    def used(self, split: str, share: float, limit: int | None) -> int:
        """Images of a split as runs see it: a validation split held out, limits applied."""
        train, official = self.splits.get("train", 0), self.splits.get("validation", 0)
        held_out = 0 if official else round(share * train)
        sizes = {
            "train": train - held_out,
            "validation": official or held_out,
            "test": self.splits.get("test", 0),
        }
        return min(sizes[split], limit or sizes[split])

    @property
    def total(self) -> int:
        """Images of all splits."""
        return sum(self.splits.values())


class Images:
    """Counts by dataset reference, each looked up once: what is packed or fetched, then the mirror's or the
    user's own files, then what the registry says."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.found: dict[str, Counts] = {}

    def of(self, reference: str) -> Counts:
        """Return the counts of a dataset reference; a domain that nobody has counted is an equal part."""
        if reference not in self.found:
            self.found[reference] = self._of(*registry.split_reference(reference))
        return self.found[reference]

    def _of(self, name: str, domain: str | None) -> Counts:
        definition = self.study.definition(name)
        source = registry.source(name, definition)
        files = self._files(name, definition)
        if files:
            return _count(files, domain, source)
        if "folder" in definition:
            return _count_folder(Path(definition["folder"]), domain, source)
        parts = len(source.domains) if domain else 1
        splits = {split: n // parts for split, n in (source.images or UNKNOWN).items()}
        each = DRAWN_BYTES if source.generated else UNKNOWN_BYTES
        size = source.megabytes * 10**6 or each * sum(splits.values())
        return Counts(splits, source.classes or UNKNOWN_CLASSES, size, bool(source.images))

    def _files(self, name: str, definition: dict[str, Any]) -> list[Path]:
        """Parquet files of the dataset that are here, train before test."""
        places = [Path("data/raw") / name]
        if self.study.mirror is not None:
            places.append(self.study.mirror / "datasets" / name)
        candidates = [[place / f"{split}.parquet" for split in registry.SPLITS] for place in places]
        if "parquet" in definition:
            candidates = [[Path(definition["parquet"][split]) for split in registry.SPLITS]]
        return next((files for files in candidates if all(file.is_file() for file in files)), [])


def _count(files: list[Path], domain: str | None, source: DatasetSource) -> Counts:
    splits: Counter[str] = Counter()
    for file, split in zip(files, registry.SPLITS, strict=True):
        splits += _rows(file, split, domain)
    classes = source.classes or len(_feature(files[0], "label")) or UNKNOWN_CLASSES
    return Counts(dict(splits), classes, sum(file.stat().st_size for file in files))


def _rows(file: Path, split: str, domain: str | None) -> Counter[str]:
    """Count a file's rows by split (those of train.parquet may say which), of one domain or of all."""
    try:
        schema = pq.read_schema(file)
        columns = [name for name in ("split", "domain") if name in schema.names]
        if domain is None and "split" not in columns:
            return Counter({split: pq.read_metadata(file).num_rows})
        table = pq.read_table(file, columns=columns)
    except (OSError, ValueError) as error:
        raise UserError(str(file), f"a broken file ({error})", "a whole Parquet file") from None
    splits = table["split"].to_pylist() if "split" in columns else [split] * len(table)
    if domain is None:
        return Counter(splits)
    names = _feature(file, "domain")
    domains: Iterable[Any] = table["domain"].to_pylist() if "domain" in columns else []
    wanted = {domain, names.index(domain) if domain in names else None}
    return Counter(each for each, found in zip(splits, domains, strict=False) if found in wanted)


def _feature(file: Path, column: str) -> list[str]:
    """The names of a column's classes, where the file states them as HF `datasets` does."""
    stated = (pq.read_schema(file).metadata or {}).get(b"huggingface", b"{}")
    feature = json.loads(stated).get("info", {}).get("features", {}).get(column, {})
    names: list[str] = feature.get("names", [])
    return names


def _count_folder(root: Path, domain: str | None, source: DatasetSource) -> Counts:
    """Count the images of <root>/[<domain>/]{train,test}/<class>/*."""
    roots = [root / name for name in ([domain] if domain else source.domains)] or [root]
    files = {
        split: [
            path
            for each in roots
            for path in (each / split).glob("*/*")
            if path.suffix.lower() in IMAGE_ENDINGS
        ]
        for split in registry.SPLITS
    }
    classes = len({path.parent.name for path in files["train"]})
    size = sum(path.stat().st_size for paths in files.values() for path in paths)
    return Counts({split: len(paths) for split, paths in files.items()}, classes, size)


def packed_bytes(study: Study, reference: str, backbone: str, counts: Counts) -> int:
    """Bytes of a dataset as a backbone sees it: what its manifest says, or three for each pixel.

    Of one above the limit (`data.pack_up_to`), the test images alone are decoded; the rest stays encoded.
    """
    manifest = Path(study.packed(reference, backbone)) / "manifest.json"
    if manifest.is_file():
        return int(sum(read_json(manifest)["bytes"].values()))
    pixels = 3 * int(study.params["backbones"][backbone]["image_size"]) ** 2
    if counts.total * pixels <= study.params["data"]["pack_up_to"] * 1e9:
        return counts.total * pixels
    return counts.splits.get("test", 0) * pixels + counts.bytes
