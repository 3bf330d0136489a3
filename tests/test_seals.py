"""Seals: one bit changed anywhere, or one byte missing at the end, is noticed."""

import pytest

from tradeoff.errors import UserError
from tradeoff.files import sha256_of, write_json
from tradeoff.seals import (
    check,
    read_checked,
    read_sealed,
    read_sealed_bytes,
    recorded,
    write_record,
    write_sealed,
    write_sealed_bytes,
)

CONTENT = {
    "rate": 1e-05,
    "name": "Ngnawé",
    "rows": [1.0, None, True],
    "by_step": {"10": 1, "2": 2},
    "none": {},
}


def test_a_sealed_file_gives_back_what_was_put_in(tmp_path):
    write_sealed(tmp_path / "a.json", CONTENT)
    assert read_sealed(tmp_path / "a.json") == CONTENT
    write_sealed(tmp_path / "b.json", {3: "a number as a key", 10: "another"})
    assert read_sealed(tmp_path / "b.json") == {"3": "a number as a key", "10": "another"}


def test_every_flipped_bit_and_every_cut_of_a_sealed_file_is_noticed(tmp_path):
    """Also where JSON would mean the same, such as 1e-05 and 1E-05, one bit apart."""
    file = tmp_path / "a.json"
    write_sealed(file, CONTENT)
    whole = file.read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        with pytest.raises(UserError, match=r"a\.json"):
            read_sealed(file)
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"a\.json"):
            read_sealed(file)


def test_a_file_without_a_seal_is_refused(tmp_path):
    for content in ({"digest": "x"}, [1, 2], "text"):
        write_json(tmp_path / "a.json", content)
        with pytest.raises(UserError, match="no seal"):
            read_sealed(tmp_path / "a.json")


def test_every_flipped_bit_and_every_cut_of_sealed_bytes_is_noticed(tmp_path):
    file = tmp_path / "state"
    write_sealed_bytes(file, b"some state")
    assert read_sealed_bytes(file) == b"some state"
    whole = file.read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        with pytest.raises(UserError, match="state: found sha256"):
            read_sealed_bytes(file)
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match="state: found"):
            read_sealed_bytes(file)


def test_a_file_is_compared_with_the_sha256_its_record_names(tmp_path):
    (tmp_path / "folder").mkdir()
    made, source = tmp_path / "folder" / "a.csv", tmp_path / "b.csv"
    made.write_text("1\n")
    source.write_text("2\n")
    record = tmp_path / "folder" / "a.record.json"
    write_record(record, [made], [source], "c0de", seed=3)
    assert recorded(record) == {made: sha256_of(made)}
    about = read_sealed(record)
    assert (about["from"], about["code"], about["params"]) == (
        {"../b.csv": sha256_of(source)},
        "c0de",
        {"seed": 3},
    )
    assert "pandas" in about["versions"]
    assert read_checked(made, recorded(record)[made]) == b"1\n"
    made.write_text("3\n")
    for refuses in (check, read_checked):
        with pytest.raises(UserError, match=r"a\.csv: found sha256 \w{12}; expected \w{12}; it was damaged"):
            refuses(made, recorded(record)[made])
    made.unlink()
    for refuses in (check, read_checked):
        with pytest.raises(UserError, match=r"a\.csv: found no such file"):
            refuses(made, recorded(record)[made])
