"""Downloading, against a stand-in for the hub on this machine."""

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.data_support import png, write_parquet
from tests.hub_support import REVISION, downloads, serving
from tradeoff.data import hub, registry
from tradeoff.data.fetch import fetch
from tradeoff.errors import UserError

REPOSITORY = "amaye15/stanford-dogs"
RANDOM = np.random.default_rng(2)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Stanford Dogs in small: 240 images to train on, in two files, and 120 to test."""
    folder = tmp_path_factory.mktemp("hub")
    names = [f"dog {i:03}" for i in range(120)]
    for file in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        images = [png(RANDOM.integers(256, size=(8, 8, 3)).astype("uint8")) for _ in range(120)]
        columns = {"image": "pixel_values"}
        write_parquet(folder / f"{file}.parquet", images, range(120), names, columns=columns)
    found = {f"data/{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}
    return {"README.md": b"dogs"} | found


@pytest.fixture
def server(files, monkeypatch, tmp_path):
    with serving(files, monkeypatch, tmp_path / "client") as server:
        yield server


def test_the_pinned_revision_is_downloaded_and_recorded(server, files, tmp_path):
    fetch("stanford_dogs", {"revision": REVISION}, None, tmp_path / "raw/dogs")
    table = pq.read_table(tmp_path / "raw/dogs/train.parquet")
    assert table["label"].to_pylist() == [*range(120), *range(120)]
    about = json.loads((tmp_path / "raw/dogs/source.json").read_text())
    assert (about["kind"], about["repository"], about["revision"]) == ("hub", REPOSITORY, REVISION)
    assert about["n"] == {"train": 240, "test": 120}
    assert len(about["files"]) == 3
    assert sorted(downloads(server)) == sorted(name.split("/")[-1] for name in files if "data/" in name)
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["dogs"]


@pytest.mark.parametrize("revision", ["5555555", "abcdef0"])
def test_an_abbreviated_revision_of_several_commits_or_of_none_is_refused(server, tmp_path, revision):
    with pytest.raises(UserError, match=rf"datasets\.stanford_dogs\.revision: found {revision};"):
        fetch("stanford_dogs", {"revision": revision}, None, tmp_path / "dogs")
    assert downloads(server) == []


def test_an_abbreviated_revision_is_downloaded_and_recorded_in_full(server, tmp_path):
    server.commits = ["1c" * 20, REVISION]
    fetch("stanford_dogs", {"revision": REVISION[:7]}, None, tmp_path / "dogs")
    assert json.loads((tmp_path / "dogs/source.json").read_text())["revision"] == REVISION


def test_test_images_of_another_repository_are_those_of_the_same_classes(server, tmp_path):
    """Places365's two copies, in small: names in one, bare numbers and every file twice in the other."""
    hub, names = registry.source("places365", {}).hub, [f"scene {i:03}" for i in range(365)]
    server.commits = [hub.revision, hub.test.revision]
    for place, file, classes in ((hub, "train", names), (hub.test, "train", None), (hub.test, "val", None)):
        path = tmp_path / f"{file}-00000-of-00001.parquet"
        images = [png(RANDOM.integers(256, size=(4, 4, 3)).astype("uint8")) for _ in range(365)]
        write_parquet(path, images, range(365), classes)
        server.others.setdefault(place.repository, {})[f"data/{path.name}"] = path.read_bytes()
    fetch("places365", {}, None, tmp_path / "places")
    about = json.loads((tmp_path / "places/source.json").read_text())
    assert about["class_names"] == names
    assert about["n"] == {"train": 365, "test": 365}
    assert (about["revision"], about["test_revision"]) == (hub.revision, hub.test.revision)
    served = server.others[hub.test.repository]["data/train-00000-of-00001.parquet"]
    expected = pq.read_table(io.BytesIO(served))["image"].to_pylist()
    assert pq.read_table(tmp_path / "places/test.parquet")["image"].to_pylist() == expected


def test_a_connection_cut_in_the_middle_is_resumed_and_the_result_is_the_same(server, tmp_path):
    fetch("stanford_dogs", {"revision": REVISION}, None, tmp_path / "whole")
    server.cuts = 2
    fetch("stanford_dogs", {"revision": REVISION}, None, tmp_path / "cut")
    assert server.cuts == 0
    assert any(span and not span.startswith("bytes=0") for method, _, span in server.asked if method == "GET")
    for name in ("train.parquet", "test.parquet", "source.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


def test_files_that_arrived_before_a_failure_are_not_downloaded_again(server, tmp_path):
    server.down = "test-"
    with pytest.raises(UserError, match="no answer from the hub"):
        fetch("stanford_dogs", {"revision": REVISION}, None, tmp_path / "dogs")
    assert len(downloads(server)) >= 2
    server.asked.clear()
    server.down = None
    fetch("stanford_dogs", {"revision": REVISION}, None, tmp_path / "dogs")
    assert downloads(server) == ["test-00000-of-00001.parquet"]


def test_a_broken_file_from_the_hub_is_refused_and_downloaded_again_next_time(server, files, tmp_path):
    server.files = files | {"data/test-00000-of-00001.parquet": b"PAR1 not a table PAR1"}
    with pytest.raises(UserError, match=r"test-00000-of-00001\.parquet"):
        fetch("stanford_dogs", {"revision": REVISION}, None, tmp_path / "dogs")
    server.files = files
    fetch("stanford_dogs", {"revision": REVISION}, None, tmp_path / "dogs")
    assert pq.read_metadata(tmp_path / "dogs/test.parquet").num_rows == 120


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"revision": "6" * 40}, rf"datasets\.stanford_dogs\.revision: found {'6' * 40}"),
        ({"revision": REVISION, "sha256": {"train": "0" * 64}}, "sha256.*0{64}"),
    ],
)
def test_a_wrong_revision_or_checksum_is_refused(server, tmp_path, definition, words):
    with pytest.raises(UserError, match=words):
        fetch("stanford_dogs", definition, None, tmp_path / "dogs")
    assert not (tmp_path / "dogs").exists()


def test_a_repository_without_the_files_is_refused(server, tmp_path):
    server.files = {"README.md": b"dogs"}
    with pytest.raises(UserError, match=r"no file \*train-\*\.parquet.*datasets\.stanford_dogs\.parquet"):
        fetch("stanford_dogs", {"revision": REVISION}, None, tmp_path / "dogs")


def test_a_hub_that_does_not_answer_is_asked_again_and_then_reported(server, tmp_path):
    server.down = ""
    with pytest.raises(UserError, match=r"no answer from the hub.*run the same command again"):
        fetch("stanford_dogs", {"revision": REVISION}, None, tmp_path / "dogs")
    assert len(server.asked) >= hub.ATTEMPTS
