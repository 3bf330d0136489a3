"""A mirror: one folder with every dataset and every file of weights that studies need, for machines without internet.

<mirror>/datasets/<name>/{train,test}.parquet     the raw form (`tradeoff.data.raw`)
<mirror>/weights/<name>.safetensors
<mirror>/manifest.json                            where each file came from, its bytes and its sha256
"""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tradeoff.data import registry
from tradeoff.data.registry import MANIFEST, read_manifest
from tradeoff.errors import UserError
from tradeoff.files import read_json, sha256_of, whole_file, write_json
from tradeoff.study import Study

FETCHING = ".fetching"
# What a dataset's source.json says that is worth keeping in the manifest.
ORIGIN = (
    *("repository", "revision", "test_repository", "test_revision"),
    *("files", "source_sha256", "licence", "citation"),
)


def gather(study: Study, destination: Path) -> Iterator[str]:
    """Bring everything that the study needs into `destination`; yield a line for each file.

    Files that the manifest knows and that are still as it says are not brought again, so that a call that was
    interrupted continues. Generated datasets and files of the user's own (`folder`, `parquet`) need no mirror.
    UserError for what cannot be had, after everything before it was kept.
    """
    for name in study.datasets():
        kind = study.source_kind(name)
        if kind in ("mirror", "hub"):
            yield from _dataset(study, name, kind, destination)
        else:
            yield f"{name}: {kind}, not mirrored"
    for backbone in study.params["study"]["backbones"]:
        weights = study.params["backbones"][backbone]["weights"]
        if "pretrain" in weights:
            yield f"{backbone}: pre-trained here, not mirrored"
        else:
            yield _weights(study, weights, destination)
    shutil.rmtree(destination / FETCHING, ignore_errors=True)


def verify(mirror: Path) -> list[str]:
    """Return what is wrong with a mirror's files, by its manifest: missing, or of another sha256."""
    faults = []
    for path, about in sorted(read_manifest(mirror).items()):
        if not (mirror / path).is_file():
            faults.append(f"{path} missing")
        elif not _is(mirror / path, about):
            faults.append(f"{path} is not the file that was mirrored")
    return faults


def _dataset(study: Study, name: str, kind: str, destination: Path) -> Iterator[str]:
    folder = Path("datasets") / name
    paths = [(folder / f"{split}.parquet").as_posix() for split in registry.SPLITS]
    if all(_have(destination, path) for path in paths):
        yield f"{name}: there already"
        return
    if kind == "mirror":
        assert study.mirror is not None
        registry.check_mirror([name], study.params["datasets"], study.mirror)
        for path in paths:
            source = study.mirror / path
            yield _bring(destination, path, partial(shutil.copyfile, source), _origin(study, path))
        return
    from tradeoff.data.fetch import fetch

    # Downloads continue in this folder, which no study looks at, and are only moved out of it when they are whole.
    fetched = destination / FETCHING / name
    fetch(name, study.definition(name), None, fetched)
    about = read_json(fetched / "source.json")
    origin = {key: about[key] for key in ORIGIN if key in about}
    for path in paths:
        source = fetched / Path(path).name
        yield _bring(destination, path, partial(shutil.move, source), origin)


def _weights(study: Study, weights: dict[str, Any], destination: Path) -> str:
    name = registry.mirrored_weights(weights)
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return f"{name}: a file of your own, not mirrored"
    path = f"weights/{name}"
    if _have(destination, path):
        return f"{name}: there already"
    from tradeoff.backbones import fetch_weights

    about: dict[str, str] = {}

    def bring(to: Path) -> None:
        about.update(fetch_weights(weights, study.mirror, to))

    return _bring(destination, path, bring, about)


def _origin(study: Study, path: str) -> dict[str, Any]:
    """Where a file of another mirror came from, as far as that one knows."""
    assert study.mirror is not None
    known = read_manifest(study.mirror).get(path, {})
    return {key: value for key, value in known.items() if key not in ("bytes", "sha256")} or {
        "source": "a mirror"
    }


def _bring(destination: Path, path: str, bring: Callable[[Path], Any], origin: dict[str, Any]) -> str:
    """Write a file whole, then say in the manifest what it is."""
    with whole_file(destination / path) as temporary:
        bring(temporary)
    size = (destination / path).stat().st_size
    entry = {"bytes": size, "sha256": sha256_of(destination / path)} | origin
    write_json(destination / MANIFEST, {"files": read_manifest(destination) | {path: entry}})
    return f"{path}: {size / 1e6:.1f} MB"


def _have(mirror: Path, path: str) -> bool:
    about = read_manifest(mirror).get(path)
    return about is not None and (mirror / path).is_file() and _is(mirror / path, about)


def _is(file: Path, about: dict[str, Any]) -> bool:
    return bool(file.stat().st_size == about["bytes"] and sha256_of(file) == about["sha256"])


def check_destination(study: Study, destination: Path) -> None:
    """UserError for a destination that is the mirror which is read from."""
    if study.mirror is not None and destination.resolve() == study.mirror.resolve():
        raise UserError("DEST", str(destination), "another folder than the mirror that is read from")
