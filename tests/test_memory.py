"""Snakemake's records travel with the files they tell of, and are put back for these files alone."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.persistence.file import FilePersistence

from tradeoff.errors import UserError
from tradeoff.memory import RECORDS, UNFINISHED, keep, recall
from tradeoff.seals import read_sealed


def entry(folder: Path, file: str) -> Path:
    """Where Snakemake itself keeps what it knows of a file."""
    snakemake = SimpleNamespace(_fetch_max_len=lambda subject: 255)
    return Path(FilePersistence._record_path(snakemake, str(folder), file))


def make(file: str, content: str, rate: int) -> None:
    """Write a file, and the record that Snakemake would leave of it."""
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    record = entry(RECORDS, file)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"params": [str(rate)], "endtime": path.stat().st_mtime}))


def rate_of(file: str) -> str | None:
    path = entry(RECORDS, file)
    return json.loads(path.read_text())["params"][0] if path.exists() else None


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The memory of two files that were made here."""
    monkeypatch.chdir(tmp_path)
    make("results/run.txt", "one", rate=1)
    make("results/deep/" + "d" * 180 + "/table.txt", "two", rate=1)
    make("results/run.txt.else", "no part of it", rate=1)
    keep(Path("memory.json"), ["results/run.txt", "results/deep"])
    return Path("memory.json")


def arrive(file: str, content: str | None = None) -> None:
    """A file comes from elsewhere: another date, perhaps another content."""
    path = Path(file)
    path.write_text(path.read_text() if content is None else content)
    os.utime(path, (1, 1))


def test_it_keeps_the_records_of_the_files_asked_for_and_no_others(kept: Path) -> None:
    assert sorted(read_sealed(kept)) == ["results/deep/" + "d" * 180 + "/table.txt", "results/run.txt"]


def test_it_is_the_same_on_every_clone(kept: Path) -> None:
    before = kept.read_bytes()
    for file in read_sealed(kept):
        arrive(file)
    recall([kept])
    keep(kept, ["results/run.txt", "results/deep"])
    assert kept.read_bytes() == before


def test_on_a_fresh_clone_every_file_gets_its_record_with_its_date(kept: Path) -> None:
    files = list(read_sealed(kept))
    for file in files:
        arrive(file)
        entry(RECORDS, file).unlink()
    assert recall([kept]) == []
    for file in files:
        assert rate_of(file) == "1"
        assert json.loads(entry(RECORDS, file).read_text())["endtime"] == 1


def test_the_record_of_another_commits_file_is_replaced(kept: Path) -> None:
    make("results/run.txt", "newer", rate=2)
    arrive("results/run.txt", "one")
    assert recall([kept]) == []
    assert rate_of("results/run.txt") == "1"


def test_what_was_made_here_since_keeps_its_own_record(kept: Path) -> None:
    make("results/run.txt", "newer", rate=2)
    assert recall([kept]) == []
    assert rate_of("results/run.txt") == "2"
    assert not entry(UNFINISHED, "results/run.txt").exists()


def test_a_file_that_nobody_knows_is_marked_to_be_made_again(kept: Path) -> None:
    arrive("results/run.txt", "from somewhere")
    assert recall([kept]) == ["results/run.txt"]
    assert entry(UNFINISHED, "results/run.txt").exists()


def test_files_that_are_missing_or_unfinished_are_left_alone(kept: Path) -> None:
    arrive("results/run.txt")
    entry(RECORDS, "results/run.txt").unlink()
    entry(UNFINISHED, "results/run.txt").parent.mkdir(parents=True)
    entry(UNFINISHED, "results/run.txt").write_text("{}")
    Path("results/deep", "d" * 180, "table.txt").unlink()
    assert recall([kept]) == []
    assert rate_of("results/run.txt") is None


def test_damaged_records_are_to_be_brought_back_and_not_deleted(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes()[:-30])
    with pytest.raises(UserError, match="dvc checkout --force"):
        recall([kept])


def test_a_record_cut_short_counts_as_none(kept: Path) -> None:
    entry(RECORDS, "results/run.txt").write_text('{"par')
    assert recall([kept]) == []
    assert rate_of("results/run.txt") == "1"
