"""Mirrors: gathered whole, continued, checked against their manifest, and enough to work without a network."""

import hashlib
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.data_support import png, write_parquet
from tests.hub_support import REVISION, downloads, serving
from tradeoff import mirror as mirrors
from tradeoff.backbones import build, fetch_weights
from tradeoff.data import raw, registry
from tradeoff.data.fetch import fetch
from tradeoff.data.readers import read_parquet
from tradeoff.data.source import Columns
from tradeoff.errors import UserError
from tradeoff.files import read_json
from tradeoff.params import load_params
from tradeoff.study import Study
from workflow_scripts import mirror as script

ROOT = Path(__file__).parents[1]
RANDOM = np.random.default_rng(3)
CLASSES = [f"class {k}" for k in range(10)]
OVERLAY = """
study: {name: mine, datasets: [cifar10, digits], backbones: [tiny], probes: [pgd]}
backbones:
  tiny:
    model: vit_tiny_patch16_224
    arguments: {img_size: 16, patch_size: 4, embed_dim: 32, depth: 2, num_heads: 2}
    image_size: 16
    resize: squash
    mean: [0.5, 0.5, 0.5]
    std: [0.5, 0.5, 0.5]
    weights: {file: tiny.safetensors}
"""


@pytest.fixture
def params(tmp_path):
    (tmp_path / "mine.yaml").write_text(OVERLAY)
    return [ROOT / "params.yaml", tmp_path / "mine.yaml"]


@pytest.fixture
def first(tmp_path, params):
    """A mirror made by hand, without a manifest."""
    folder = tmp_path / "first"
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    for split in ("train", "test"):
        write_parquet(folder / f"datasets/cifar10/{split}.parquet", images, np.arange(20) % 10, CLASSES)
    (folder / "weights").mkdir()
    model = build(load_params(params)["backbones"]["tiny"], 10, 0, None)
    save_file(dict(model.net.state_dict()), folder / "weights/tiny.safetensors")
    return folder


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_arguments, **_options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def study(params, folder):
    return Study(load_params(params), folder)


# --- from the hub

DOGS = [f"dog {k:03}" for k in range(120)]
HUB_OVERLAY = (
    OVERLAY.replace("[cifar10, digits]", "[stanford_dogs]").replace(
        "{file: tiny.safetensors}", f'{{hub: someone/tiny, revision: "{REVISION}", filename: tiny.pt}}'
    )
    + f'datasets: {{stanford_dogs: {{revision: "{REVISION}"}}}}\n'
)


@pytest.fixture
def hub_params(tmp_path, monkeypatch):
    monkeypatch.delenv("TRADEOFF_MIRROR", raising=False)
    (tmp_path / "mine.yaml").write_text(HUB_OVERLAY)
    return [ROOT / "params.yaml", tmp_path / "mine.yaml"]


@pytest.fixture
def hub(tmp_path, monkeypatch, hub_params):
    """The hub with Stanford Dogs in small, the training images in two files, and with weights as a torch file."""
    files = {}
    for file in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        images = [png(image) for image in RANDOM.integers(0, 256, (120, 8, 8, 3), dtype=np.uint8)]
        path = tmp_path / "made" / f"{file}.parquet"
        write_parquet(path, images, range(120), DOGS, columns={"image": "pixel_values"})
        files[f"data/{path.name}"] = path.read_bytes()
    model = build(load_params(hub_params)["backbones"]["tiny"], 10, 0, None)
    torch.save(model.net.state_dict(), tmp_path / "made/tiny.pt")
    with serving(files, monkeypatch, tmp_path / "client") as server:
        server.others["someone/tiny"] = {"tiny.pt": (tmp_path / "made/tiny.pt").read_bytes()}
        yield server


def test_a_mirror_from_the_hub_gives_the_same_bytes_as_the_hub_and_says_where_they_came_from(
    tmp_path, hub, hub_params, monkeypatch
):
    weights = study(hub_params, None).params["backbones"]["tiny"]["weights"]
    fetch("stanford_dogs", {"revision": REVISION}, None, tmp_path / "raw/hub")
    fetch_weights(weights, None, tmp_path / "hub.safetensors")
    folder = tmp_path / "mirror"
    script.main(["--dest", str(folder), *map(str, hub_params)])
    assert mirrors.verify(folder) == []
    assert sorted(path.name for path in folder.iterdir()) == ["datasets", "manifest.json", "weights"]
    files = read_json(folder / "manifest.json")["files"]
    about = files["datasets/stanford_dogs/train.parquet"]
    assert (about["repository"], about["revision"]) == ("amaye15/stanford-dogs", REVISION)
    for each in about["files"]:
        content = hub.files[f"data/{each['name']}"]
        assert each["sha256"] == hashlib.sha256(content).hexdigest()
    about = files["weights/tiny.safetensors"]
    assert (about["source"], about["revision"]) == ("someone/tiny", REVISION)
    assert about["source_sha256"] == hashlib.sha256(hub.others["someone/tiny"]["tiny.pt"]).hexdigest()
    # From here on the hub is not asked.
    hub.asked.clear()
    study(hub_params, folder)
    fetch("stanford_dogs", {"revision": REVISION}, folder, tmp_path / "raw/mirror")
    fetch_weights(weights, folder, tmp_path / "mirror.safetensors")
    for split in ("train", "test"):
        hubs, mirrored = (tmp_path / "raw" / place / f"{split}.parquet" for place in ("hub", "mirror"))
        assert hubs.read_bytes() == mirrored.read_bytes()
    assert (tmp_path / "hub.safetensors").read_bytes() == (tmp_path / "mirror.safetensors").read_bytes()
    assert hub.asked == []


def test_a_mirror_from_the_hub_goes_on_where_the_connection_failed(tmp_path, hub, hub_params):
    folder = tmp_path / "mirror"
    hub.down = "test-"
    with pytest.raises(UserError, match=r"stanford_dogs: found no answer from the hub.*run the same command"):
        script.main(["--dest", str(folder), *map(str, hub_params)])
    assert not (folder / "datasets").exists()
    hub.asked.clear()
    hub.down, hub.cuts = None, 1
    script.main(["--dest", str(folder), *map(str, hub_params)])
    assert set(downloads(hub)) == {"test-00000-of-00001.parquet", "tiny.pt"}
    assert hub.cuts == 0
    hub.asked.clear()
    script.main(["--dest", str(folder), *map(str, hub_params)])
    assert hub.asked == []


def test_a_mirror_of_a_mirror_is_whole_and_enough_to_work_from_without_a_network(
    tmp_path, params, first, no_network, monkeypatch, capsys
):
    monkeypatch.setenv("TRADEOFF_MIRROR", str(first))
    script.main(["--dest", str(tmp_path / "second"), *map(str, params)])
    assert "digits: generated, not mirrored" in capsys.readouterr().out
    shutil.rmtree(first)
    second = tmp_path / "second"
    own = study(params, second)
    manifest = read_json(second / "manifest.json")["files"]
    assert set(manifest) == {
        *(f"datasets/cifar10/{split}.parquet" for split in ("train", "test")),
        "weights/tiny.safetensors",
    }
    assert mirrors.verify(second) == []
    fetch("cifar10", {}, second, tmp_path / "raw")
    weights = own.params["backbones"]["tiny"]["weights"]
    fetch_weights(weights, second, tmp_path / "weights.safetensors")
    model = build(own.params["backbones"]["tiny"], 10, 1, tmp_path / "weights.safetensors")
    assert torch.isfinite(model(torch.zeros(1, 3, 16, 16))).all()


def test_a_mirror_that_was_interrupted_is_continued_and_nothing_is_brought_twice(
    tmp_path, params, first, monkeypatch
):
    second = tmp_path / "second"
    bring = mirrors._bring

    def dies(destination, path, *rest):
        if path.startswith("weights"):
            raise KeyboardInterrupt
        return bring(destination, path, *rest)

    monkeypatch.setattr(mirrors, "_bring", dies)
    with pytest.raises(KeyboardInterrupt):
        list(mirrors.gather(study(params, first), second))
    brought = []
    monkeypatch.setattr(
        mirrors,
        "_bring",
        lambda destination, path, *rest: brought.append(path) or bring(destination, path, *rest),
    )
    list(mirrors.gather(study(params, first), second))
    assert brought == ["weights/tiny.safetensors"]
    assert mirrors.verify(second) == []


def test_everything_that_a_mirror_lacks_is_named_in_one_line(params, first):
    (first / "datasets/cifar10/test.parquet").unlink()
    (first / "weights/tiny.safetensors").unlink()
    with pytest.raises(UserError, match=r"cifar10/test\.parquet missing; weights/tiny\.safetensors missing"):
        study(params, first)


def test_a_file_that_is_not_the_one_mirrored_is_refused(tmp_path, params, first):
    second = tmp_path / "second"
    list(mirrors.gather(study(params, first), second))
    file = second / "datasets/cifar10/train.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert mirrors.verify(second) == ["datasets/cifar10/train.parquet is not the file that was mirrored"]
    with pytest.raises(UserError, match=r"train\.parquet.*sha256"):
        fetch("cifar10", {}, second, tmp_path / "raw")
    file.write_bytes(b"PAR1" + bytes(content) + b"PAR1")
    with pytest.raises(UserError, match=r"cifar10/train\.parquet cut short"):
        study(params, second)
    # Gathered again, it is whole again.
    list(mirrors.gather(study(params, first), second))
    assert mirrors.verify(second) == []


def test_official_validation_images_stay_validation_images_in_a_mirror(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    files = {}
    for split in ("train", "validation", "test"):
        files[split] = [tmp_path / f"{split}.parquet"]
        write_parquet(files[split][0], images, np.arange(20) % 10, CLASSES)
    source = registry.source("cifar10", {})
    dataset = read_parquet(
        "cifar10", source, files, dict.fromkeys(files, Columns()), {}, tmp_path / "scratch"
    )
    folder = tmp_path / "mirror/datasets/cifar10"
    raw.write(folder / "train.parquet", dataset.schema, dataset.train)
    raw.write(folder / "test.parquet", dataset.schema, dataset.test)
    fetch("cifar10", {}, tmp_path / "mirror", tmp_path / "raw")
    assert read_json(tmp_path / "raw/source.json")["n"] == {"train": 20, "validation": 20, "test": 20}


def test_a_mirror_is_not_gathered_into_itself(params, first, monkeypatch):
    monkeypatch.setenv("TRADEOFF_MIRROR", str(first))
    with pytest.raises(UserError, match=r"DEST.*another folder"):
        script.main(["--dest", str(first), *map(str, params)])


def test_checksums_and_revisions_in_params_mean_what_was_downloaded_also_where_a_mirror_holds_it(
    tmp_path, hub, hub_params
):
    folder = tmp_path / "mirror"
    script.main(["--dest", str(folder), *map(str, hub_params)])
    training = hub.files["data/train-00000-of-00002.parquet"] + hub.files["data/train-00001-of-00002.parquet"]
    right = {"revision": REVISION, "sha256": {"train": hashlib.sha256(training).hexdigest()}}
    fetch("stanford_dogs", right, folder, tmp_path / "raw")
    with pytest.raises(UserError, match=r"train images of .*mirror.*sha256.*expected 0{64}"):
        fetch("stanford_dogs", right | {"sha256": {"train": "0" * 64}}, folder, tmp_path / "raw")
    weights = study(hub_params, folder).params["backbones"]["tiny"]["weights"]
    right = hashlib.sha256(hub.others["someone/tiny"]["tiny.pt"]).hexdigest()
    fetch_weights(weights | {"sha256": right}, folder, tmp_path / "w.safetensors")
    for key, wrong in (("sha256", "0" * 64), ("revision", "6" * 40)):
        with pytest.raises(UserError, match=rf"weights\.{key}: found .* expected {wrong}"):
            fetch_weights(weights | {key: wrong}, folder, tmp_path / "w.safetensors")
    hub_params[1].write_text(HUB_OVERLAY.replace(REVISION, "6" * 40))
    with pytest.raises(UserError, match=rf"train\.parquet of revision {REVISION}, not 6{{40}}"):
        study(hub_params, folder)


def test_weights_that_changed_in_a_mirror_are_refused(tmp_path, params, first):
    second = tmp_path / "second"
    list(mirrors.gather(study(params, first), second))
    file = second / "weights/tiny.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"tiny\.safetensors: found sha256 .*copy it again"):
        fetch_weights({"file": "tiny.safetensors"}, second, tmp_path / "w.safetensors")
