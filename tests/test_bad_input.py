"""What a user reads when data, weights or disk are not as they should be: one line, with what to do.

Through the scripts, as the workflow runs them; what each check accepts is in the tests of its module.
"""

import json
import re
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.backbones_support import spec, tiny
from tests.data_support import png, write_parquet, write_raw
from tests.hub_support import REVISION, serving
from tests.test_backbones import Malicious
from tradeoff.backbone_code import backbone_code
from tradeoff.script import run_script
from workflow_scripts import fetch_backbone, fetch_dataset, pack_dataset, plan

ABSENT = "6" * 40
RANDOM = np.random.default_rng(5)
PACS = ["dog", "elephant", "giraffe", "guitar", "horse", "house", "person"]
DOMAINS = ["art_painting", "cartoon", "photo", "sketch"]


@pytest.fixture
def refused(monkeypatch, tmp_path):
    """Run a script that must refuse its input; return the line it ends with, and check that it wrote nothing whole."""

    def run(main, *argv):
        monkeypatch.setattr(sys, "argv", ["script", *map(str, argv)])
        with pytest.raises(SystemExit) as end:
            run_script(main)
        line = end.value.code
        assert isinstance(line, str), "ended well"
        assert "\n" not in line
        assert re.fullmatch(r"error: .+: found .+; expected .+; .+", line), line
        assert not [
            path for path in (tmp_path / "output").rglob("*") if path.is_file() and path.suffix != ".lock"
        ]
        return line

    return run


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub with two classes of a dataset of 120, and with weights."""
    monkeypatch.delenv("TRADEOFF_MIRROR", raising=False)
    names, files = [f"dog {i:03}" for i in range(120)], {}
    for split in ("train", "test"):
        path = tmp_path / "hub" / f"{split}-00000-of-00001.parquet"
        images = [png(image) for image in RANDOM.integers(256, size=(120, 4, 4, 3)).astype("uint8")]
        write_parquet(path, images, range(120), names, columns={"image": "pixel_values"})
        files[f"data/{path.name}"] = path.read_bytes()
    save_file(dict(tiny("vit").net.state_dict()), tmp_path / "hub/model.safetensors")
    with serving(files, monkeypatch, tmp_path / "client") as server:
        server.others["someone/vit"] = {
            "model.safetensors": (tmp_path / "hub/model.safetensors").read_bytes()
        }
        yield server


def fetched(tmp_path, name, definition, *more):
    output = ("--output", tmp_path / "output")
    return fetch_dataset.main, "--dataset", name, "--definition", json.dumps(definition), *output, *more


def weighed(tmp_path, family, weights):
    settings = json.dumps(spec(family) | {"weights": weights})
    code = backbone_code(pretrained=False)
    return fetch_backbone.main, "--spec", settings, "--code", code, "--output", tmp_path / "output"


def test_a_revision_that_does_not_exist(hub, tmp_path, refused):
    line = refused(*fetched(tmp_path, "stanford_dogs", {"revision": ABSENT}))
    assert (
        f"datasets.stanford_dogs.revision: found {ABSENT}; expected a commit of amaye15/stanford-dogs;"
        in line
    )
    line = refused(*weighed(tmp_path, "vit", {"hub": "someone/vit", "revision": ABSENT}))
    assert "weights of someone/vit" in line
    assert f"revision: found no commit {ABSENT};" in line


def test_a_checksum_that_differs(hub, tmp_path, refused):
    wrong = "0" * 64
    definition = {"revision": REVISION, "sha256": {"test": wrong}}
    line = refused(*fetched(tmp_path, "stanford_dogs", definition))
    assert "test-00000-of-00001.parquet: found sha256 " in line
    assert f"expected {wrong}; fetch it again, or correct datasets.stanford_dogs.sha256.test" in line
    line = refused(*weighed(tmp_path, "vit", {"hub": "someone/vit", "revision": REVISION, "sha256": wrong}))
    assert re.search(rf"weights\.sha256: found \w{{64}} for someone/vit; expected {wrong};", line)


def test_a_parquet_file_cut_short(hub, tmp_path, refused):
    mirror = tmp_path / "mirror"
    for split in ("train", "test"):
        file = mirror / "datasets/pacs" / f"{split}.parquet"
        images = [png(image) for image in RANDOM.integers(256, size=(14, 4, 4, 3)).astype("uint8")]
        rows = np.arange(14)
        write_parquet(file, images, rows % 7, PACS, rows // 7, DOMAINS)
    file.write_bytes(file.read_bytes()[:-50])
    line = refused(*fetched(tmp_path, "pacs", {}, "--mirror", mirror))
    assert f"{mirror}: found pacs/test.parquet cut short; expected whole files" in line
    train = mirror / "datasets/pacs/train.parquet"
    own = {"parquet": {"train": str(train), "test": str(file)}}
    assert f"{file}: found a broken file" in refused(*fetched(tmp_path, "mine", own))
    # A connection that ends early is noticed by the length; what passes for whole and is not, by reading it.
    hub.files = {name: content[:-50] for name, content in hub.files.items()}
    line = refused(*fetched(tmp_path, "stanford_dogs", {"revision": REVISION}))
    assert "train-00000-of-00001.parquet: found a broken file" in line
    assert "expected a whole Parquet file; delete it and fetch it again" in line


def test_an_image_that_does_not_decode(tmp_path, refused):
    images = [png(image) for image in RANDOM.integers(256, size=(4, 8, 8, 3)).astype("uint8")]
    broken = [*images[:3], images[3][:40]]
    write_raw(tmp_path / "raw", {"train": (broken, range(4)), "test": (images, range(4))}, list("abcd"))
    line = refused(*packed(tmp_path))
    assert f"{tmp_path}/raw/train.parquet, row 3: found an image that does not decode" in line
    assert "expected a whole image; fetch the dataset again, or leave this image out" in line


def test_a_class_without_test_images(tmp_path, refused):
    images = [png(image) for image in RANDOM.integers(256, size=(4, 8, 8, 3)).astype("uint8")]
    write_raw(tmp_path / "raw", {"train": (images, range(4)), "test": (images[:2], [0, 2])}, list("abcd"))
    line = refused(*packed(tmp_path))
    assert (
        f"{tmp_path}/raw/test.parquet: found no test image of 2 classes (b, d); expected at least one" in line
    )


def packed(tmp_path):
    form = ("--size", "8", "--resize", "squash")
    return pack_dataset.main, "--raw", tmp_path / "raw", *form, "--output", tmp_path / "output"


def test_weights_for_another_architecture(tmp_path, refused):
    file = tmp_path / "resnet.safetensors"
    save_file(dict(tiny("resnet").net.state_dict()), file)
    line = refused(*weighed(tmp_path, "vit", {"file": str(file)}))
    assert f"weights of vit_tiny_patch16_224 in {file}: found tensors " in line
    assert "missing (cls_token, " in line
    assert "check model and arguments against the file" in line


def test_a_checkpoint_that_is_a_pickle_with_code_in_it(tmp_path, refused):
    file = tmp_path / "evil.pth"
    torch.save({"state_dict": tiny("vit").net.state_dict(), "x": Malicious(tmp_path / "pwned")}, file)
    line = refused(*weighed(tmp_path, "vit", {"file": str(file)}))
    assert f"weights {file}: found a file that cannot be read safely" in line
    assert not (tmp_path / "pwned").exists()


def test_a_disk_too_small_for_the_plan(tmp_path, refused, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10**6}))
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("study: {name: not_made_yet}\n")
    line = refused(plan.main, "--disk", "params.yaml", overlay)
    assert re.search(
        r"disk: found 0\.0 GB free; expected \d+\.\d GB, .* of it for snapshots; free some space", line
    )
