"""Fetching from a mirror, a folder or Parquet files: one form, the same bytes, no network, clear refusals."""

import dataclasses
import hashlib
import json
import socket

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data_support import MIRROR, png, write_parquet
from tradeoff.data import raw, readers, registry
from tradeoff.data.fetch import fetch
from tradeoff.data.source import Columns, DatasetSource
from tradeoff.errors import UserError

PACS = ["dog", "elephant", "giraffe", "guitar", "horse", "house", "person"]
DOMAINS = ["art_painting", "cartoon", "photo", "sketch"]
RANDOM = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("this must not touch the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def pictures(n):
    return [png(RANDOM.integers(256, size=(5, 7, 3)).astype("uint8")) for _ in range(n)]


@pytest.fixture
def mirror(tmp_path):
    """A mirror with a small PACS: 28 images to train on, 14 to test."""
    folder = tmp_path / "mirror" / "datasets" / "pacs"
    for split, n in (("train", 28), ("test", 14)):
        rows = np.arange(n)
        write_parquet(folder / f"{split}.parquet", pictures(n), rows % 7, PACS, rows // 7, DOMAINS)
    return tmp_path / "mirror"


def load(folder, tmp_path):
    """Read a fetched folder as any user of HF `datasets` would."""
    import datasets

    files = {split: str(folder / f"{split}.parquet") for split in ("train", "test")}
    return datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))


def test_a_mirrors_dataset_arrives_with_its_features_images_and_labels(mirror, tmp_path):
    fetch("pacs", {}, mirror, tmp_path / "raw/pacs")
    loaded = load(tmp_path / "raw/pacs", tmp_path)
    original = load(mirror / "datasets/pacs", tmp_path)
    assert loaded["train"].features == original["train"].features
    for split in ("train", "test"):
        for ours, theirs in zip(loaded[split], original[split], strict=True):
            assert (ours["label"], ours["domain"]) == (theirs["label"], theirs["domain"])
            assert (np.asarray(ours["image"]) == np.asarray(theirs["image"])).all()
    about = json.loads((tmp_path / "raw/pacs/source.json").read_text())
    assert about["kind"] == "mirror"
    assert about["n"] == {"train": 28, "test": 14}
    assert about["class_names"] == PACS
    assert about["domain_names"] == DOMAINS
    for name, sha256 in about["sha256"].items():
        assert hashlib.sha256((tmp_path / "raw/pacs" / name).read_bytes()).hexdigest() == sha256
    for file in about["files"]:
        content = (mirror / "datasets/pacs" / file["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["pacs"]


def test_the_same_source_gives_the_same_bytes_in_whatever_portions_it_is_read(mirror, tmp_path, monkeypatch):
    fetch("pacs", {}, mirror, tmp_path / "one")
    monkeypatch.setattr(readers, "ROWS_PER_GROUP", 5)
    fetch("pacs", {}, mirror, tmp_path / "two")
    for name in ("train.parquet", "test.parquet", "source.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_rows_are_kept_in_groups_of_bounded_size(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(raw, "ROWS_PER_GROUP", 10)
    fetch("pacs", {}, mirror, tmp_path / "raw")
    file = pq.ParquetFile(tmp_path / "raw/train.parquet").metadata
    assert [file.row_group(i).num_rows for i in range(file.num_row_groups)] == [10, 10, 8]


def cut_footer(folder):
    content = (folder / "test.parquet").read_bytes()
    (folder / "test.parquet").write_bytes(content[:-20])


def cut_middle(folder):
    """The footer is whole, but points beyond what is there."""
    content = (folder / "train.parquet").read_bytes()
    (folder / "train.parquet").write_bytes(content[:200] + content[700:])


def lose_a_file(folder):
    (folder / "test.parquet").unlink()


def lose_a_column(folder):
    write_parquet(folder / "train.parquet", pictures(7), range(7), PACS)


def wrong_labels(folder):
    labels = [0, 1, 2, 3, 4, 5, 7]
    write_parquet(folder / "train.parquet", pictures(7), labels, None, [0, 1, 2, 3, 0, 0, 0], DOMAINS)
    write_parquet(folder / "test.parquet", pictures(7), labels, None, [0] * 7, DOMAINS)


def other_domains(folder):
    for split in ("train", "test"):
        write_parquet(folder / f"{split}.parquet", pictures(7), range(7), PACS, [0] * 7, ["photo", "film"])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (cut_footer, ["pacs/test.parquet cut short"]),
        (cut_middle, ["train.parquet"]),
        (lose_a_file, ["pacs/test.parquet missing"]),
        (lose_a_column, ["train.parquet", "also domain"]),
        (wrong_labels, ["pacs", "8 classes", "expected 7"]),
        (other_domains, ["photo, film", "art_painting"]),
    ],
)
def test_a_faulty_mirror_is_refused_in_one_line_and_no_finished_dataset_is_left(
    mirror, tmp_path, fault, words
):
    fault(mirror / "datasets/pacs")
    with pytest.raises(UserError) as error:
        fetch("pacs", {}, mirror, tmp_path / "raw/pacs")
    assert all(word in str(error.value) for word in words), str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "raw/pacs/source.json").exists()
    assert not list(tmp_path.rglob("*.part"))
    assert not (tmp_path / "raw/.pacs.fetching").exists()


def test_a_checksum_in_params_is_compared_with_what_the_source_holds(mirror, tmp_path):
    content = (mirror / "datasets/pacs/train.parquet").read_bytes()
    right = {"sha256": {"train": hashlib.sha256(content).hexdigest()}}
    fetch("pacs", right, mirror, tmp_path / "raw/pacs")
    wrong = {"sha256": {"test": "0" * 64}}
    with pytest.raises(UserError, match=r"test\.parquet.*sha256.*0{64}.*datasets\.pacs\.sha256\.test"):
        fetch("pacs", wrong, mirror, tmp_path / "other/pacs")


def test_parquet_files_of_the_users_own_need_no_code(tmp_path):
    columns = {"image": "photo", "label": "kind"}
    for split, n in (("train", 8), ("test", 4)):
        write_parquet(
            tmp_path / f"my_{split}.parquet", pictures(n), np.arange(n) % 2, ["cat", "dog"], columns=columns
        )
    files = {split: str(tmp_path / f"my_{split}.parquet") for split in ("train", "test")}
    fetch("pets", {"parquet": files, **columns, "licence": "mine"}, None, tmp_path / "raw/pets")
    loaded = load(tmp_path / "raw/pets", tmp_path)
    assert loaded["train"].features["label"].names == ["cat", "dog"]
    assert loaded["test"]["label"][:] == [0, 1, 0, 1]
    assert json.loads((tmp_path / "raw/pets/source.json").read_text())["licence"] == "mine"


@pytest.mark.parametrize("domains", [(), ("indoors", "outdoors")])
def test_a_folder_of_images_needs_no_code(tmp_path, domains):
    images = {}
    for domain in domains or (".",):
        for split, n in (("train", 3), ("test", 2)):
            for class_name in ("dog", "cat"):
                for i in range(n):
                    file = tmp_path / "pets" / domain / split / class_name / f"{i}.PNG"
                    file.parent.mkdir(parents=True, exist_ok=True)
                    images[file.relative_to(tmp_path / "pets").as_posix()] = pictures(1)[0]
                    file.write_bytes(images[file.relative_to(tmp_path / "pets").as_posix()])
    (tmp_path / "pets" / (domains or (".",))[0] / "train/cat/notes.txt").write_text("no image")
    fetch("pets", {"folder": str(tmp_path / "pets")}, None, tmp_path / "raw/pets")
    about = json.loads((tmp_path / "raw/pets/source.json").read_text())
    assert about["class_names"] == ["cat", "dog"]
    assert about["domain_names"] == list(domains)
    assert str(tmp_path) not in json.dumps(about)
    seen = set()
    for split in ("train", "test"):
        for row in pq.read_table(tmp_path / f"raw/pets/{split}.parquet").to_pylist():
            path = row["image"]["path"]
            assert row["image"]["bytes"] == images[path]
            assert f"{split}/{about['class_names'][row['label']]}/" in path
            assert not domains or path.startswith(domains[row["domain"]])
            seen.add(path)
    assert seen == set(images)


def test_a_folder_whose_classes_differ_between_train_and_test_is_refused(tmp_path):
    for split, class_name in (("train", "cat"), ("train", "dog"), ("test", "cat")):
        (tmp_path / "pets" / split / class_name).mkdir(parents=True)
    with pytest.raises(UserError, match="dog in one of train and test"):
        fetch("pets", {"folder": str(tmp_path / "pets")}, None, tmp_path / "raw")


@pytest.mark.parametrize("labels", ["numbers from 1", "names with a spare class 0", "texts"])
def test_labels_that_count_from_one_or_are_texts_become_numbers_from_zero(tmp_path, labels):
    """Caltech-256 on the hub counts its classes from 1; here three classes, and official validation rows."""
    source = DatasetSource("three", 3, "", "")
    columns = Columns(offset=0 if labels == "texts" else 1)
    names = {"names with a spare class 0": ["background", "a", "b", "c"]}.get(labels)
    files = {}
    for split, n in (("train", 6), ("validation", 3), ("test", 3)):
        path = tmp_path / f"{split}.parquet"
        files[split] = [path]
        write_parquet(path, pictures(n), np.arange(n) % 3 + columns.offset, names)
        if labels == "texts":
            table = pq.read_table(path)
            texts = ["abc"[value] for value in table["label"].to_pylist()]
            pq.write_table(
                table.drop("label").append_column("label", [texts]).replace_schema_metadata(), path
            )
    read = readers.read_parquet(
        "three", source, files, dict.fromkeys(files, columns), {}, tmp_path / "scratch"
    )
    assert list(read.class_names) == (["1", "2", "3"] if labels.startswith("numbers") else ["a", "b", "c"])
    counts = raw.write(tmp_path / "out/train.parquet", read.schema, read.train)
    assert counts == {"train": 6, "validation": 3}
    written = pq.read_table(tmp_path / "out/train.parquet")
    assert written["label"].to_pylist() == [0, 1, 2, 0, 1, 2, 0, 1, 2]
    assert written["split"].to_pylist() == ["train"] * 6 + ["validation"] * 3


def test_labels_out_of_range_are_refused(tmp_path):
    files = {}
    for split in ("train", "test"):
        files[split] = [tmp_path / f"{split}.parquet"]
        write_parquet(files[split][0], pictures(3), [0, 1, 2], ["a", "b", "c"])
    columns = dict.fromkeys(files, Columns(offset=1))
    read = readers.read_parquet("x", DatasetSource("x", 3, "", ""), files, columns, {}, tmp_path)
    with pytest.raises(UserError, match="numbers from 0 to 2; expected numbers from 1 to 3"):
        list(read.train)


def test_splits_that_name_their_classes_differently_are_refused_unless_one_only_numbers_them(tmp_path):
    source, names = DatasetSource("x", 3, "", ""), ["a", "b", "c"]
    files = {split: [tmp_path / f"{split}.parquet"] for split in ("train", "test")}
    columns = dict.fromkeys(files, Columns())
    write_parquet(files["train"][0], pictures(3), [0, 1, 2], names)
    for number, other in enumerate((["a", "c", "b"], ["0", "1", "2"])):
        write_parquet(files["test"][0], pictures(3), [2, 1, 0], other)
        scratch = tmp_path / str(number)
        if other[0] == "a":
            with pytest.raises(UserError, match="split test: found the class 'c'; expected 'b' in its place"):
                readers.read_parquet("x", source, files, columns, {}, scratch)
        else:
            read = readers.read_parquet("x", source, files, columns, {}, scratch)
            assert list(read.class_names) == names
            assert pa.concat_tables(read.test)["label"].to_pylist() == [2, 1, 0]


def test_without_a_copy_on_the_hub_or_a_pinned_revision_nothing_is_downloaded(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"no copy of it on the hub.*data\.mirror"):
        fetch("pacs", {}, None, tmp_path / "raw")
    known = registry.source("cub200", {})
    unpinned = dataclasses.replace(known, hub=dataclasses.replace(known.hub, revision=None))
    monkeypatch.setattr(registry, "source", lambda name, definition: unpinned)
    with pytest.raises(UserError, match=r"datasets\.cub200\.revision: found none.*40 hexadecimal"):
        fetch("cub200", {}, None, tmp_path / "raw")


@pytest.mark.skipif(not (MIRROR / "datasets").is_dir(), reason="needs the mirror folder (TRADEOFF_MIRROR)")
@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("caltech101", 2933, 1010),
        ("cifar10", 10_000, 2000),
        ("cifar100", 10_000, 2000),
        ("pacs", 7992, 1999),
        ("tiny_imagenet32", 100_000, 10_000),
    ],
)
def test_every_dataset_of_the_mirror_arrives_whole_without_the_network(tmp_path, name, train, test):
    fetch(name, {}, MIRROR, tmp_path / name)
    about = json.loads((tmp_path / name / "source.json").read_text())
    assert (about["kind"], about["n"]) == ("mirror", {"train": train, "test": test})
    source = registry.source(name, {})
    labels = pq.read_table(tmp_path / name / "train.parquet", columns=["label"])["label"]
    assert set(labels.to_pylist()) == set(range(source.classes))
    assert len(about["class_names"]) == source.classes
    assert tuple(about["domain_names"]) == source.domains
