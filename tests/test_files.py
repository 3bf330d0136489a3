"""Files are whole or absent."""

import errno
import hashlib
import os
import resource
import subprocess

import numpy as np
import pytest
from safetensors.numpy import save_file

from tradeoff.errors import UserError
from tradeoff.files import digest_of, read_json, sha256_of, whole_file, write_json


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_that_ends_well_replaces_the_file_and_makes_its_folder(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


def test_the_umask_says_who_may_read_a_file_whatever_library_wrote_it(tmp_path):
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "weights.safetensors") as temporary:
            save_file({"weight": np.zeros(2)}, temporary)
        with whole_file(tmp_path / "text") as temporary:
            temporary.touch(0o600)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 1000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 1000).hexdigest()


def test_equal_values_have_equal_digests_whatever_their_order():
    assert digest_of({"a": 1, "b": [1.5, None]}) == digest_of({"b": [1.5, None], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 1.5})


def test_json_cut_short_is_named(tmp_path):
    write_json(tmp_path / "a.json", {"x": list(range(100))})
    assert read_json(tmp_path / "a.json")["x"][99] == 99
    text = (tmp_path / "a.json").read_text()
    (tmp_path / "a.json").write_text(text[: len(text) // 2])
    with pytest.raises(UserError, match=r"a\.json: found broken JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(UserError, match="no such file"):
        read_json(tmp_path / "b.json")


@pytest.fixture
def full_disk(tmp_path):
    """A file system of half a megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = (
        os.geteuid() == 0
        and not subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", disk]).returncode
    )
    if not made:
        pytest.skip("making a small file system needs the right to mount")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def write_bytes(path):
    path.write_bytes(bytes(2**20))


def write_tensors(path):
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2**18)}, path)


def write_checkpoint(path):
    import torch

    torch.save({"a": torch.zeros(2**18)}, path)


def write_table(path):
    import pandas as pd

    pd.DataFrame({"a": range(2**18)}).to_parquet(path, compression=None)


@pytest.mark.parametrize("write", [write_bytes, write_tensors, write_checkpoint, write_table])
def test_a_full_disk_is_named_as_such_whatever_the_library_says_and_leaves_nothing(full_disk, write):
    with pytest.raises(OSError) as caught, whole_file(full_disk / "a") as temporary:  # noqa: PT011 - errno below
        write(temporary)
    assert caught.value.errno == errno.ENOSPC
    assert str(caught.value.filename) == str(full_disk / "a")
    assert list(full_disk.iterdir()) == []


@pytest.mark.parametrize("write", [write_bytes, write_tensors, write_checkpoint, write_table])
def test_a_file_over_the_limit_is_named_as_such_whatever_the_library_says(tmp_path, write):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, before[1]))
    try:
        with pytest.raises(OSError) as caught, whole_file(tmp_path / "a") as temporary:  # noqa: PT011 - errno below
            write(temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert str(caught.value.filename) == str(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
