"""Seals: how a file that was cut short or changed on disk is noticed before anybody reads a number from it.

Every job ends with a small JSON file, its *record*, which names the sha256 of each other file the job made. The
record itself is *sealed*: it holds the sha256 of its own text. Records are written last, so files without one are
of a job that did not end.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tradeoff.errors import UserError
from tradeoff.files import read_json, sha256_of, whole_file
from tradeoff.identity import ARTIFACT_LIBRARIES, versions

DO = "it was damaged after it was made: delete it and run the same command again"
DIGITS = 12  # of a digest, as far as people need it to tell it from another
DIGEST_BYTES = 32


def write_sealed(path: str | Path, content: dict[str, Any]) -> None:
    """Write a JSON file with its own sha256 under "seal", whole or not at all."""
    text = _sealed_text(json.loads(json.dumps(content)))
    with whole_file(path) as temporary:
        temporary.write_text(text)


def read_sealed(path: str | Path) -> dict[str, Any]:
    """Return what `write_sealed` was given; UserError when the file is missing or a single bit of it changed."""
    content = read_json(path)
    if not isinstance(content, dict) or "seal" not in content:
        raise UserError(str(path), "no seal", "a sealed JSON file, as jobs write it", DO)
    del content["seal"]
    if Path(path).read_bytes() != _sealed_text(content).encode():
        raise UserError(str(path), "another text than was sealed", "every bit as it was written", DO)
    return content


def write_sealed_bytes(path: Path, content: bytes) -> None:
    """Write bytes followed by their sha256: for the state of unfinished jobs, which no record names yet."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content + hashlib.sha256(content).digest())


def read_sealed_bytes(path: Path) -> bytes:
    """Return what `write_sealed_bytes` was given; UserError when the file changed."""
    whole = path.read_bytes()
    content, seal = whole[:-DIGEST_BYTES], whole[-DIGEST_BYTES:]
    found = hashlib.sha256(content).digest()
    if found != seal:
        raise _damaged(path, found.hex(), seal.hex())
    return content


def check(path: Path, sha256: str) -> None:
    """UserError unless a file is there and has this sha256."""
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        raise _missing(path) from None
    if found != sha256:
        raise _damaged(path, found, sha256)


def read_checked(path: Path, sha256: str) -> bytes:
    """Return a file's bytes, once they are known to have this sha256; UserError when they have not."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise _missing(path) from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise _damaged(path, found, sha256)
    return content


def sums(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the sha256 of files in a folder, by name: what a record says under "sha256"."""
    return {name: sha256_of(folder / name) for name in names}


def recorded(record: Path) -> dict[Path, str]:
    """Return the sha256 of every file that a record names; UserError when the record is missing or damaged."""
    named = read_sealed(record).get("sha256", {})
    return {Path(os.path.normpath(record.parent / name)): sha256 for name, sha256 in named.items()}


def recorded_sum(path: Path, record: Path) -> str:
    """Return the sha256 that a record names for a file; UserError when it names none."""
    named = recorded(record)
    place = Path(os.path.normpath(path))
    if place not in named:
        raise UserError(str(record), f"no sha256 of {path.name}", "a record that names it", DO)
    return named[place]


def check_weights(weights: Path) -> str:
    """Return the sha256 of a backbone's weights; UserError when it is not the one that its record names."""
    sha256 = recorded_sum(weights, weights.with_name("backbone.json"))
    check(weights, sha256)
    return sha256


def finished(record: Path, identity: dict[str, Any]) -> bool:
    """Say whether a record is there that says so of what it is, and every file that it names is whole."""
    try:
        about = read_sealed(record)
        for path, sha256 in recorded(record).items():
            check(path, sha256)
    except UserError:
        return False
    return all(about.get(key) == value for key, value in identity.items())


def write_record(record: Path, made: Iterable[Path], read: Iterable[Path], code: str, **params: Any) -> None:
    """Write the record of an artifact: what was made, from what, by which code, with which settings and libraries.

    Files are named relative to the record's folder.
    """

    def named(paths: Iterable[Path]) -> dict[str, str]:
        return {os.path.relpath(path, record.parent): sha256_of(path) for path in paths}

    about = {"params": params, "code": code, "versions": versions(ARTIFACT_LIBRARIES)}
    write_sealed(record, {"sha256": named(made), "from": named(read), **about})


def _plain_text(content: Any) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _sealed_text(content: dict[str, Any]) -> str:
    return _plain_text({**content, "seal": _digest(_plain_text(content))})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _damaged(path: Path, found: str, expected: str) -> UserError:
    return UserError(str(path), f"sha256 {found[:DIGITS]}", expected[:DIGITS], DO)


def _missing(path: Path) -> UserError:
    return UserError(
        str(path), "no such file", "the file that its record names", "run the same command again"
    )
