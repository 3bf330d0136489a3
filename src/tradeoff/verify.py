"""Verification: every file of a study hashed and compared with what the job that made it recorded."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tradeoff.errors import UserError
from tradeoff.seals import check, read_sealed, recorded

# Files that are sealed; every other one has to be named by one of these.
SEALED = (
    *(
        "source.json",
        "manifest.json",
        "backbone.json",
        "run.json",
        "task.json",
        "cost.json",
        "study.json",
        "provenance.json",
    ),
    *("*.cost.json", "*.record.json"),
)
MEMORY = Path("data/memory")
UNFINISHED = ("resume-*", "*.parts-*", "*.trials-*", ".*")


@dataclass(frozen=True)
class Checked:
    """A file that was looked at.

    record: what names its sha256; the file itself, where it is sealed; None for a file that no record names.
    error: what is wrong with it, if anything is.
    """

    path: Path
    record: Path | None
    error: UserError | None = None


def verify(results: Path, data: Sequence[Path]) -> Iterator[Checked]:
    """Hash every file of a study's results and of its data, as far as they were made, and yield it.

    results: results/<study>; data: folders of fetched and packed data, and files of what Snakemake recorded of them.
    Paths are relative to the current folder.
    Files of unfinished jobs are left out: they carry sums of their own, which the job that continues compares.
    Last come files that no record names: of a job that was killed before its end, or whose record is damaged or gone.
    """
    files = [file for folder in (*data, results) for file in _files(folder)]
    sealed = dict.fromkeys(file for file in files if _is_sealed(file, results))
    # What the finished study consists of; a record that was deleted or replaced would not be missed otherwise.
    products: dict[Path, str] = {}
    provenance = results / "provenance.json"
    if provenance in sealed and _error(read_sealed, provenance) is None:
        about = read_sealed(provenance)["products"]
        products = {Path(record): product["record_sha256"] for record, product in about.items()}
    named: dict[Path, tuple[str, Path]] = {}
    for record in sealed | dict.fromkeys(products):
        error = _error(read_sealed, record)
        if error is None:
            named |= {path: (sha256, record) for path, sha256 in recorded(record).items()}
            error = _error(check, record, products[record]) if record in products else None
        yield Checked(record, record, error)
    for path, (sha256, record) in sorted(named.items()):
        yield Checked(path, record, _error(check, path, sha256))
    for path in files:
        if path not in named and path not in sealed:
            yield Checked(path, None)


def _error(function: Callable[..., Any], *arguments: Any) -> UserError | None:
    try:
        function(*arguments)
    except UserError as error:
        return error
    return None


def _files(folder: Path) -> list[Path]:
    return [
        path
        for path in [folder, *sorted(folder.rglob("*"))]
        if path.is_file()
        and not any(fnmatch(part, left) for part in path.relative_to(folder).parts for left in UNFINISHED)
    ]


def _is_sealed(path: Path, results: Path) -> bool:
    folders = any(path.is_relative_to(folder) for folder in (results / "tuned", results / "memory", MEMORY))
    return (folders and path.suffix == ".json") or any(fnmatch(path.name, pattern) for pattern in SEALED)
