"""What Snakemake remembers of each file, kept beside the files, so that it travels with them.

Snakemake reruns a job when its params or code differ from those it recorded with the job's outputs, in
`.snakemake/metadata`. On another clone or commit those records are missing or tell of other files: Snakemake would
then judge by dates, and may take old results for today's. `keep` writes the records of some files, with their
checksums, into one file that is versioned with them; `recall` puts the records back for the very files they tell of.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tradeoff.errors import UserError
from tradeoff.files import read_json, sha256_of, whole_file
from tradeoff.seals import read_sealed, write_sealed

RECORDS = Path(".snakemake/metadata")
# Without it Snakemake would go by the dates of files that DVC brought, which say nothing.
BRING_BACK = "bring it back with `dvc checkout --force`, or run `make repro` where its results were made"
UNFINISHED = Path(".snakemake/incomplete")  # what is named here is made again


def keep(memory: Path, places: Sequence[str]) -> None:
    """Write to `memory` what Snakemake recorded of every file that is, or lies below, one of `places`."""
    kept = {}
    for file, record in _records():
        if any(file == place or file.startswith(f"{place}/") for place in places) and Path(file).is_file():
            del record["endtime"]  # the file's date, which is another on every clone
            kept[file] = {"sha256": sha256_of(file), "record": record}
    write_sealed(memory, kept)


def recall(memories: Iterable[Path]) -> list[str]:
    """Make Snakemake's records those of the files that are there; return the files that have none.

    A file that Snakemake made here keeps the record it has: its date is the one recorded. Any other, brought by
    DVC for instance, gets the record that was kept with it if it is that file to the bit. If it is not, nobody
    knows what made it: it is marked as unfinished, and Snakemake makes it again.
    """
    unknown = []
    for memory in memories:
        for file, kept in sorted(_remembered(memory).items()):
            path, record = Path(file), kept["record"]
            if not path.is_file() or _entry(UNFINISHED, file).exists():
                continue
            date = path.stat().st_mtime
            if _date_recorded(file) == date:
                continue
            if sha256_of(path) == kept["sha256"]:
                with whole_file(_entry(RECORDS, file)) as temporary:
                    temporary.write_text(json.dumps(record | {"endtime": date}))
            else:
                with whole_file(_entry(UNFINISHED, file)) as temporary:
                    temporary.write_text(json.dumps({"external_jobid": None}))
                unknown.append(file)
    return unknown


def _remembered(memory: Path) -> dict[str, Any]:
    try:
        return read_sealed(memory)
    except UserError as error:
        raise UserError(error.where, error.found, error.expected, BRING_BACK) from None


def _records() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every file that Snakemake has a record of, with the record."""
    for path in sorted(path for path in RECORDS.rglob("*") if path.is_file()):
        parts = path.relative_to(RECORDS).parts
        name = "".join(part.removeprefix("@") for part in parts)
        yield urlsafe_b64decode(name).decode(), read_json(path)


def _entry(folder: Path, file: str) -> Path:
    """Where Snakemake keeps what it knows of a file: its name in base64, cut where file systems want it shorter."""
    name = urlsafe_b64encode(file.encode()).decode()
    pieces = [name[start : start + 254] for start in range(0, len(name), 254)]
    return folder.joinpath(*(f"@{piece}" for piece in pieces[:-1]), pieces[-1])


def _date_recorded(file: str) -> float | None:
    """The date that the file had when Snakemake recorded it; None when it did not, or the record is broken."""
    try:
        date: float | None = json.loads(_entry(RECORDS, file).read_text()).get("endtime")
        return date
    except (OSError, ValueError):
        return None
