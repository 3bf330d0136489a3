"""Fetch a dataset from wherever it comes from into data/raw: two Parquet files of one form, source.json."""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradeoff.data import raw, registry
from tradeoff.data.hub import download
from tradeoff.data.raw import RawDataset
from tradeoff.data.readers import check_sum, read_folder, read_generated, read_parquet
from tradeoff.data.source import Columns, DatasetSource, Hub
from tradeoff.errors import UserError
from tradeoff.files import digest_of
from tradeoff.identity import DATA_LIBRARIES, versions
from tradeoff.seals import sums, write_sealed


def fetch(
    name: str,
    definition: Mapping[str, Any],
    mirror: Path | None,
    output: Path,
    kind: str | None = None,
    code: str | None = None,
) -> None:
    """Write train.parquet, test.parquet and, last, source.json into `output` (form: `tradeoff.data.raw`).

    definition: what params say about the dataset; may be empty. mirror: a folder laid out as
    datasets/<name>/{train,test}.parquet. kind: where it comes from; None: as `registry.source_kind` decides.
    code: fingerprint of the code that runs, kept in source.json.
    The same source gives the same bytes. UserError for a source that is missing, broken or has another
    checksum, class count or domains than expected.
    """
    source = registry.source(name, definition)
    kind = kind or registry.source_kind(name, definition, mirror)
    scratch = output.parent / f".{output.name}.fetching"
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        dataset = _read(kind, name, source, definition, mirror, scratch)
        counts = raw.write(output / "train.parquet", dataset.schema, dataset.train)
        counts |= {"test": sum(raw.write(output / "test.parquet", dataset.schema, dataset.test).values())}
    except BaseException:
        if kind != "hub":  # what was downloaded is continued next time
            shutil.rmtree(scratch, ignore_errors=True)
        raise
    write_sealed(
        output / "source.json",
        {
            "dataset": name,
            "kind": kind,
            "title": source.title,
            "licence": source.licence,
            "citation": source.citation,
            "class_names": list(dataset.class_names),
            "domain_names": list(dataset.domain_names),
            "n": counts,
            "definition_digest": digest_of(dict(definition)),
            "code": code,
            "versions": versions(DATA_LIBRARIES),
            "sha256": sums(output, ("train.parquet", "test.parquet")),
            **dataset.origin,
        },
    )
    shutil.rmtree(scratch)


def _read(
    kind: str,
    name: str,
    source: DatasetSource,
    definition: Mapping[str, Any],
    mirror: Path | None,
    scratch: Path,
) -> RawDataset:
    sha256 = dict(definition.get("sha256", {}))
    cache = scratch / "cache"
    match kind:
        case "generated":
            return read_generated(registry.modules(name)[0])
        case "folder":
            return read_folder(Path(definition["folder"]), source.domains)
        case "parquet":
            files = {split: [Path(path)] for split, path in definition["parquet"].items()}
            columns = Columns(**{key: definition[key] for key in ("image", "label") if key in definition})
            return read_parquet(name, source, files, dict.fromkeys(files, columns), sha256, cache)
        case "mirror":
            if mirror is None:
                raise UserError("TRADEOFF_MIRROR", "nothing", f"the mirror that holds {name}")
            registry.check_mirror([name], {name: definition}, mirror)
            folder = mirror / "datasets" / name
            files = {split: [folder / f"{split}.parquet"] for split in registry.SPLITS}
            known = registry.read_manifest(mirror)
            mirrored = {split: known.get(f"datasets/{name}/{split}.parquet", {}) for split in registry.SPLITS}
            stated = {split: about["sha256"] for split, about in mirrored.items() if about}
            # Checksums in params are of what is downloaded; a mirror that was gathered knows those of its sources.
            if sources := mirrored["train"].get("source_sha256"):
                for split, found in sources.items():
                    check_sum(
                        name,
                        split,
                        f"{split} images of {mirror}, where they came from",
                        found,
                        sha256.get(split),
                    )
            else:
                stated |= sha256
            return read_parquet(name, source, files, dict.fromkeys(files, Columns()), stated, cache)
        case _:
            return _download(name, source, _hub(name, source, definition), scratch)


def _download(name: str, source: DatasetSource, hub: Hub, scratch: Path) -> RawDataset:
    """Download from the dataset's repository, and from that of its test images where it is another."""
    files: dict[str, list[Path]] = {}
    columns: dict[str, Columns] = {}
    origin: dict[str, Any] = {}
    for part, place in (("", hub), ("test_", hub.test)):
        if place is None:
            continue
        commit, found = download(name, place, scratch / "files" / place.repository.replace("/", "--"))
        files |= found
        columns |= dict.fromkeys(found, place.columns)
        origin |= {f"{part}repository": place.repository, f"{part}revision": commit}
    try:
        dataset = read_parquet(name, source, files, columns, dict(hub.sha256), scratch / "cache")
    except UserError:
        shutil.rmtree(scratch / "files")  # what is wrong with them, no later attempt should reuse
        raise
    return dataclasses.replace(dataset, origin=dataset.origin | origin)


def _hub(name: str, source: DatasetSource, definition: Mapping[str, Any]) -> Hub:
    """The dataset's place on the hub, with what params say of revision and checksums."""
    if source.hub is None:
        raise UserError(
            f"dataset {name}",
            "no copy of it on the hub that we know",
            "a mirror that holds it (data.mirror, TRADEOFF_MIRROR)",
            f"or files of your own, named in datasets.{name}.parquet",
        )
    hub = source.hub
    if definition.get("revision", hub.revision) != hub.revision:
        hub = dataclasses.replace(hub, revision=definition["revision"], sha256={})
    return dataclasses.replace(hub, sha256={**hub.sha256, **definition.get("sha256", {})})
