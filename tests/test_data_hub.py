"""Downloading, against a stand-in for the hub on this machine."""

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.data_support import png, write_parquet
from tradeoff.data import hub, registry
from tradeoff.data.fetch import fetch
from tradeoff.errors import UserError

REVISION = "5" * 40
REPOSITORY = "amaye15/stanford-dogs"
RANDOM = np.random.default_rng(2)


class StandIn(ThreadingHTTPServer):
    """Serves dataset repositories, the same files at each of a few commits.

    files: name -> bytes, of every repository but those in `others`. commits: what its history lists.
    asked: (method, path, Range header) of every request.
    cuts: how many of the next downloads break off in the middle.
    down: answer 503 to every request for a path with these letters.
    """

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.cuts, self.down = files, [], 0, None
        self.others, self.commits = {}, [REVISION, "5" * 39 + "6"]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(with_body=True)

    def do_HEAD(self):
        self.answer(with_body=False)

    def answer(self, with_body):
        server, path = self.server, self.path.split("?")[0]
        server.asked.append((self.command, path, self.headers.get("Range")))
        if server.down is not None and server.down in path:
            return self.reply(503, b"", {}, with_body)
        if path.endswith("/commits/main"):
            commit = {"authors": [], "date": "2024-05-13T00:00:00.000Z", "title": "", "message": ""}
            body = json.dumps([commit | {"id": each} for each in server.commits])
            return self.reply(200, body.encode(), {"Content-Type": "application/json"}, with_body)
        files = next((held for name, held in server.others.items() if name in path), server.files)
        revision = next((each for each in server.commits if f"/{each}" in path), None)
        if revision is None:
            return self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"}, with_body)
        if "/api/" in path:
            listing = [
                {"type": "file", "path": name, "size": len(content), "oid": "0"}
                for name, content in files.items()
            ]
            info = {"id": REPOSITORY, "sha": revision, "siblings": [{"rfilename": n} for n in files]}
            body = json.dumps(listing if "/tree/" in path else info).encode()
            return self.reply(200, body, {"Content-Type": "application/json"}, with_body)
        content = files[path.split(f"/resolve/{revision}/")[1]]
        headers = {"ETag": f'"{len(content)}"', "X-Repo-Commit": revision, "Accept-Ranges": "bytes"}
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self.reply(206 if start else 200, content[start:], headers, with_body)

    def reply(self, status, body, headers, with_body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if not with_body:
            return
        if "ETag" in headers and self.server.cuts:
            self.server.cuts -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)


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
    server = StandIn(files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "xet"))
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr(hub, "PAUSE", 0.0)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    yield server
    server.shutdown()
    server.server_close()


def downloads(server):
    return [
        path.split("/")[-1] for method, path, _ in server.asked if method == "GET" and "/resolve/" in path
    ]


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
