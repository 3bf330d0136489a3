"""Datasets above the limit: training images stay encoded, and every row comes out as if it had been packed."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.data_support import png, write_raw
from tests.test_training import job as training_job
from tradeoff.batches import to_device
from tradeoff.data import streamed
from tradeoff.data.decode import Form
from tradeoff.data.pack import pack
from tradeoff.data.packed import PackedDataset
from tradeoff.data.splits import SPLITS, load_split
from tradeoff.data.streamed import StreamedImages
from tradeoff.errors import UserError
from tradeoff.training import train

FORM = Form(16, "crop", "bicubic")
SETTINGS = {"validation_share": 0.2, "split_seed": 3, "limit": None}
RANDOM = np.random.default_rng(4)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same 60 + 20 images of two domains, packed and streamed."""
    root = tmp_path_factory.mktemp("streamed")
    splits = {}
    for split, n in (("train", 60), ("test", 20)):
        pictures = [png(RANDOM.integers(256, size=(8, 9, 3)).astype("uint8")) for _ in range(n)]
        splits[split] = (pictures, np.arange(n) % 4, np.arange(n) % 2)
    write_raw(root / "raw", splits, list("abcd"), ["x", "y"])
    pack(root / "raw", root / "packed", FORM)
    pack(root / "raw", root / "streamed", FORM, up_to=80 * 3 * 16**2 - 1)
    return root


@pytest.fixture
def always_streaming(monkeypatch):
    monkeypatch.setattr(streamed, "KEPT_DECODED", 0)


def test_the_manifest_says_which_it_is_and_why(folders):
    kinds = {}
    for name in ("packed", "streamed"):
        manifest = json.loads((folders / name / "manifest.json").read_text())
        kinds[name] = manifest["storage"]["kind"]
        assert "6.14e-05 GB decoded" in manifest["storage"]["why"]
        assert (folders / name / "encoded.bin").exists() == (name == "streamed")
    assert kinds == {"packed": "packed", "streamed": "streamed"}
    assert PackedDataset.open(folders / "streamed").images.shape == (20, 3, 16, 16)


@pytest.mark.parametrize("domain", [None, "y"])
@pytest.mark.parametrize("split", SPLITS)
def test_every_split_has_the_same_images_as_when_packed(folders, always_streaming, split, domain):
    expected = load_split(folders / "packed", domain, split, **SETTINGS)
    found = load_split(folders / "streamed", domain, split, **SETTINGS)
    assert isinstance(found.images, StreamedImages) == (split != "test")
    assert found.images.shape == expected.images.shape
    assert (np.asarray(found.images) == expected.images).all()
    assert (found.labels == expected.labels).all()
    assert (found.ids == expected.ids).all()


def test_a_batch_reaches_the_device_as_when_packed_whatever_the_processes(
    folders, always_streaming, monkeypatch
):
    monkeypatch.setattr(streamed, "IMAGES_AT_ONCE", 3)
    batches = []
    for name, processes in (("packed", 1), ("streamed", 1), ("streamed", 2)):
        monkeypatch.setattr(streamed, "_processes", lambda n=processes: n)
        split = load_split(folders / name, None, "train", **SETTINGS)
        for rows in (slice(5, 25), np.array([0, 7, 8, 30, 47])):
            batches.append(to_device(split, rows, torch.device("cpu"))[0])
    for again in (2, 4):
        assert torch.equal(batches[0], batches[again])
        assert torch.equal(batches[1], batches[again + 1])


def test_training_ends_with_the_same_bits_as_on_packed_images(folders, always_streaming, tmp_path):
    logs, states = [], []
    for name in ("packed", "streamed"):
        job = dataclasses.replace(
            training_job(tmp_path / name),
            train=load_split(folders / name, "x", "train", **SETTINGS),
            validation=load_split(folders / name, "x", "validation", **SETTINGS),
        )
        logs.append(train(job).rows)
        states.append(job.model.net.state_dict())
    assert logs[0] == logs[1]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_the_batch_after_this_one_is_decoded_before_it_is_asked_for_and_no_more_than_that(
    folders, always_streaming, monkeypatch
):
    begun = []

    class Pool(ThreadPoolExecutor):
        def submit(self, work, file, starts, *rest):
            begun.append(starts)
            return super().submit(work, file, starts, *rest)

    monkeypatch.setattr(streamed, "_processes", lambda: 2)
    monkeypatch.setattr(streamed, "_pool", cache(Pool))
    packed, split = (load_split(folders / name, None, "train", **SETTINGS) for name in ("packed", "streamed"))
    batches = [slice(0, 20), np.array([3, 20, 47]), np.array([5, 6])]
    for rows, following in pairwise(batches):
        pixels, _, _ = to_device(split, rows, torch.device("cpu"), following)
        assert torch.equal(pixels, to_device(packed, rows, torch.device("cpu"), following)[0])
        assert (begun[-1] == split.images.starts[following]).all()
    assert [len(starts) for starts in begun] == [16, 4, 3, 2]  # no more than sixteen at once
    # Other rows than were announced come out right all the same.
    others = to_device(split, np.array([7, 8]), torch.device("cpu"))[0]
    assert torch.equal(others, to_device(packed, np.array([7, 8]), torch.device("cpu"))[0])


def test_a_selection_that_fits_in_memory_is_decoded_once(folders):
    few = load_split(folders / "streamed", None, "train", **SETTINGS | {"limit": 8})
    assert isinstance(few.images, np.ndarray)
    assert few.images.shape == (8, 3, 16, 16)


def test_an_image_that_broke_since_it_was_packed_is_one_clear_line(folders, always_streaming, monkeypatch):
    split = load_split(folders / "streamed", None, "train", **SETTINGS)
    broken = folders / "broken.bin"
    broken.write_bytes((folders / "streamed" / "encoded.bin").read_bytes()[:-200] + b"x" * 200)
    split.images.file = broken
    with pytest.raises(
        UserError, match=r"broken\.bin, byte \d+: found an image that does not decode any more"
    ):
        np.asarray(split.images)


def test_an_image_that_does_not_decode_is_named_and_nothing_is_left(tmp_path):
    images = [png(RANDOM.integers(256, size=(8, 9, 3)).astype("uint8")) for _ in range(8)]
    splits = {"train": ([*images[:3], images[3][:50]], range(4)), "test": (images[4:], range(4))}
    write_raw(tmp_path / "raw", splits, list("abcd"))
    with pytest.raises(UserError, match=r"train\.parquet, row 3"):
        pack(tmp_path / "raw", tmp_path / "out", FORM, up_to=0)
    assert list((tmp_path / "out").iterdir()) == []
