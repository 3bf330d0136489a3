"""The datasets by name, and where each one comes from in this study.

A new dataset is one file in `tradeoff/data/sources` and one line here. A dataset of the user's own needs
neither: params name a folder of images or Parquet files (section `datasets`).
Cheap to import: the workflow asks these questions at every start.
"""

import importlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tradeoff.data.source import DatasetSource
from tradeoff.errors import UserError
from tradeoff.files import read_json

DATASETS = {
    "aircraft": "tradeoff.data.sources.aircraft",
    "caltech101": "tradeoff.data.sources.caltech101",
    "caltech256": "tradeoff.data.sources.caltech256",
    "cars": "tradeoff.data.sources.cars",
    "cifar10": "tradeoff.data.sources.cifar10",
    "cifar100": "tradeoff.data.sources.cifar100",
    "cub200": "tradeoff.data.sources.cub200",
    "digits": "tradeoff.data.sources.digits",
    "domainnet": "tradeoff.data.sources.domainnet",
    "glyphs": "tradeoff.data.sources.glyphs",
    "imagenette": "tradeoff.data.sources.imagenette",
    "pacs": "tradeoff.data.sources.pacs",
    "places365": "tradeoff.data.sources.places365",
    "stanford_dogs": "tradeoff.data.sources.stanford_dogs",
    "tiny_imagenet32": "tradeoff.data.sources.tiny_imagenet32",
    "typeset_digits": "tradeoff.data.sources.typeset_digits",
}
SPLITS = ("train", "test")
MANIFEST = "manifest.json"  # of a mirror

Definition = Mapping[str, Any]


def split_reference(reference: str) -> tuple[str, str | None]:
    """Return (name, domain) of a dataset reference: `pacs.photo` -> (pacs, photo), `pacs` -> (pacs, None)."""
    name, _, domain = reference.partition(".")
    return name, domain or None


def check(name: str, definitions: Mapping[str, Definition], domain: str | None) -> None:
    """Raise UserError unless `name` is a dataset, and `domain` (if any) one of its domains.

    definitions: section `datasets` of params.
    """
    definition = definitions.get(name, {})
    if name not in DATASETS and name not in definitions:
        known = ", ".join(sorted({*DATASETS, *definitions}))
        raise UserError(
            f"dataset {name}", "an unknown name", f"one of {known}", "or define it in section datasets"
        )
    _check_definition(name, definition)
    found = domains(name, definition)
    if domain is not None and domain not in found:
        expected = f"one of {', '.join(found)}" if found else f"no domain: {name} has none"
        raise UserError(f"dataset {name}.{domain}", f"an unknown domain {domain}", expected)


def source(name: str, definition: Definition) -> DatasetSource:
    """Return what is known of a dataset: its entry in the registry, or what params say of the user's own."""
    if name in DATASETS:
        known: DatasetSource = importlib.import_module(DATASETS[name]).SOURCE
        return known
    return DatasetSource(
        title=definition.get("title", name),
        classes=None,
        licence=definition.get("licence", "unknown"),
        citation=definition.get("citation", ""),
        domains=folder_domains(Path(definition["folder"])) if "folder" in definition else (),
    )


def domains(name: str, definition: Definition) -> tuple[str, ...]:
    """Return the names of a dataset's domains, empty for most."""
    return source(name, definition).domains


def classes(name: str, definition: Definition) -> int | None:
    """Return how many classes a dataset has; None where only its packed data know (Parquet of the user's own)."""
    if "folder" not in definition:
        return source(name, definition).classes
    root = Path(definition["folder"])
    roots = [root / domain for domain in folder_domains(root)] or [root]
    return len({each.name for top in roots for each in (top / "train").iterdir() if each.is_dir()})


def folder_domains(root: Path) -> tuple[str, ...]:
    """Return the domains of a folder of images: its subfolders that hold a train and a test folder."""
    if _has_splits(root):
        return ()
    return tuple(sorted(folder.name for folder in root.iterdir() if _has_splits(folder)))


def modules(name: str) -> tuple[str, ...]:
    """Return the module that describes (and perhaps draws) a dataset, for fingerprints of code."""
    return (DATASETS[name],) if name in DATASETS else ()


def source_kind(name: str, definition: Definition, mirror: Path | None) -> str:
    """Return where a dataset comes from: folder, parquet, mirror, generated or hub.

    With a mirror nothing is fetched from the network: UserError when the mirror lacks what the hub has.
    """
    for kind in ("folder", "parquet"):
        if kind in definition:
            return kind
    if mirror is not None and (mirror / "datasets" / name).is_dir():
        return "mirror"
    if source(name, definition).generated:
        return "generated"
    if mirror is not None:
        raise UserError(
            str(mirror / "datasets" / name),
            "no such folder",
            "train.parquet and test.parquet",
            "put them there, or unset the mirror (data.mirror, TRADEOFF_MIRROR) to download",
        )
    return "hub"


def mirror_folder(param: str | None) -> Path | None:
    """Return the mirror: the folder given in params, else in TRADEOFF_MIRROR, else None.

    UserError when it names no folder.
    """
    where, given = ("data.mirror", param) if param else ("TRADEOFF_MIRROR", os.environ.get("TRADEOFF_MIRROR"))
    if not given:
        return None
    if not Path(given).is_dir():
        raise UserError(where, f"no folder {given}", "a folder with datasets/ and weights/")
    return Path(given)


def announce_mirror(mirror: Path | None) -> None:
    """Let processes started from here find the mirror where this one did."""
    if mirror is not None:
        os.environ["TRADEOFF_MIRROR"] = str(mirror.resolve())


def read_manifest(mirror: Path) -> dict[str, dict[str, Any]]:
    """Return what a mirror's manifest says of each file (bytes, sha256, origin) by its path; {} without one."""
    file = mirror / MANIFEST
    if not file.is_file():
        return {}
    files: dict[str, dict[str, Any]] = read_json(file)["files"]
    return files


def mirrored_weights(weights: Mapping[str, Any]) -> str:
    """Return how the weights that params ask for ({file: ...} or {hub: ...}) are called in a mirror's weights/."""
    name: str = weights["file"] if "file" in weights else f"{weights['hub'].split('/')[-1]}.safetensors"
    return name


def check_mirror(
    names: Iterable[str], definitions: Mapping[str, Definition], mirror: Path, weights: Iterable[str] = ()
) -> None:
    """Raise one UserError that names every file a mirror lacks, or holds cut short, of datasets and weights.

    Sizes and revisions are compared with the mirror's manifest, if it has one. weights: names in the folder
    weights/; a file that lies elsewhere under that name will do.
    """
    faults = []
    known = read_manifest(mirror)
    for name in names:
        definition = definitions.get(name, {})
        folder = mirror / "datasets" / name
        own = "folder" in definition or "parquet" in definition
        if own or (source(name, definition).generated and not folder.is_dir()):
            continue
        for split in SPLITS:
            path = folder / f"{split}.parquet"
            if not path.is_file():
                faults.append(f"{name}/{path.name} missing")
            elif not is_whole_parquet(path) or _other_size(path, f"datasets/{name}/{path.name}", known):
                faults.append(f"{name}/{path.name} cut short")
            elif other := _other_revision(name, definition, known.get(f"datasets/{name}/{path.name}", {})):
                faults.append(f"{name}/{path.name} {other}")
    for name in weights:
        path = mirror / "weights" / name
        if not path.is_file():
            faults += [] if Path(name).is_file() else [f"weights/{name} missing"]
        elif _other_size(path, f"weights/{name}", known):
            faults.append(f"weights/{name} cut short")
    if faults:
        raise UserError(
            str(mirror),
            "; ".join(faults),
            "whole files of everything the study needs",
            "copy these files again, or gather them in another folder (make mirror)",
        )


def _other_revision(name: str, definition: Definition, about: Mapping[str, Any]) -> str:
    """Say that a mirrored file is of another revision than is asked for; nothing where it is not, or nobody knows."""
    hub = source(name, definition).hub
    asked, found = definition.get("revision", hub.revision if hub else None), about.get("revision")
    return f"of revision {found}, not {asked}" if asked and found and not found.startswith(asked) else ""


def _other_size(path: Path, name: str, manifest: Mapping[str, Mapping[str, Any]]) -> bool:
    return name in manifest and path.stat().st_size != manifest[name]["bytes"]


def check_hub(names: Iterable[str], definitions: Mapping[str, Definition]) -> None:
    """Raise one UserError that names every dataset of these that has to be downloaded and cannot be.

    It cannot without a place on the hub that we know, nor without a pinned revision of it.
    """
    faults = []
    for name in names:
        definition = definitions.get(name, {})
        if source_kind(name, definition, None) != "hub":
            continue
        hub = source(name, definition).hub
        if hub is None:
            faults.append(f"no place to download {name} from")
        elif definition.get("revision", hub.revision) is None:
            faults.append(f"no datasets.{name}.revision, the commit of {hub.repository} to download")
    if faults:
        raise UserError(
            "datasets",
            "; ".join(faults),
            "a pinned source for each",
            "or a mirror that holds them (data.mirror)",
        )


def is_whole_parquet(path: Path) -> bool:
    """Tell whether a file begins and ends as Parquet does; a download cut short does not."""
    with open(path, "rb") as file:
        start = file.read(4)
        if file.seek(0, os.SEEK_END) < 12:
            return False
        file.seek(-4, os.SEEK_END)
        return start == file.read(4) == b"PAR1"


def _check_definition(name: str, definition: Definition) -> None:
    where = f"datasets.{name}"
    if "folder" in definition and "parquet" in definition:
        raise UserError(where, "both folder and parquet", "one of them")
    if "folder" in definition:
        root = Path(definition["folder"])
        if not root.is_dir() or not (_has_splits(root) or folder_domains(root)):
            raise UserError(
                f"{where}.folder",
                f"{root}, " + ("without them" if root.is_dir() else "which is no folder"),
                "a folder with train/<class>/ and test/<class>/, or <domain>/train/<class>/ and so on",
            )
    elif "parquet" in definition:
        for split in SPLITS:
            path = definition["parquet"].get(split)
            if path is None or not Path(path).is_file():
                found = "nothing" if path is None else f"no file {path}"
                raise UserError(f"{where}.parquet.{split}", found, "a Parquet file")
    elif name not in DATASETS:
        raise UserError(where, "neither folder nor parquet", "one of them, since it is no known dataset")


def _has_splits(folder: Path) -> bool:
    return all((folder / split).is_dir() for split in SPLITS)
