"""Packing: the right pixels, the right index, the same bytes every time, and clear refusals."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data_support import MIRROR, png, write_raw
from tradeoff.data.decode import Form, decode
from tradeoff.data.fetch import fetch
from tradeoff.data.pack import pack
from tradeoff.data.packed import PackedDataset
from tradeoff.errors import UserError
from tradeoff.seals import read_sealed, sums, write_sealed

RANDOM = np.random.default_rng(0)


def picture(height, width, channels=3):
    return RANDOM.integers(256, size=(height, width, channels) if channels > 1 else (height, width)).astype(
        "uint8"
    )


def small_raw(folder, train=30, test=12, change=None):
    images = {"train": [picture(6, 5) for _ in range(train)], "test": [picture(6, 5) for _ in range(test)]}
    if change:
        change(images)
    write_raw(
        folder,
        {split: (found, np.arange(len(found)) % 3) for split, found in images.items()},
        ["a", "b", "c"],
    )
    return images


@settings(max_examples=40, deadline=None)
@given(
    st.integers(5, 60),
    st.integers(5, 60),
    st.integers(5, 40),
    st.sampled_from(["squash", "crop"]),
    st.sampled_from(["bilinear", "bicubic"]),
)
def test_resizing_equals_torchvisions(height, width, size, resize, interpolation):
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    image = Image.fromarray(picture(height, width))
    mode = InterpolationMode(interpolation)
    oracle = (
        Resize((size, size), mode) if resize == "squash" else Compose([Resize(size, mode), CenterCrop(size)])
    )
    expected = np.asarray(oracle(image)).transpose(2, 0, 1)
    assert (decode([png(image)], Form(size, resize, interpolation))[0] == expected).all()


def test_images_of_the_right_size_keep_their_pixels():
    image = picture(9, 9)
    for resize in ("squash", "crop"):
        assert (decode([png(image)], Form(9, resize))[0] == image.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_every_mode_of_png_becomes_rgb(mode):
    grey = picture(8, 8, 1)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 256 + 99)
        expected = np.stack([grey] * 3)
    elif mode == "RGBA":
        rgba = picture(8, 8, 4)
        image, expected = Image.fromarray(rgba), rgba[..., :3].transpose(2, 0, 1)
    else:
        image = Image.fromarray(grey).convert(mode)
        expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    assert image.mode == mode
    assert (decode([png(image)], Form(8, "squash"))[0] == expected).all()


def test_cmyk_jpegs_and_turned_photographs_come_out_upright_in_rgb():
    buffer = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(buffer, "JPEG")
    red = decode([buffer.getvalue()], Form(16, "squash"))[0].mean(axis=(1, 2))
    assert red[0] > 200
    assert max(red[1:]) < 60

    photo = picture(12, 12)
    exif = Image.Exif()
    exif[0x0112] = 3  # held upside down
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG", exif=exif)
    assert (decode([buffer.getvalue()], Form(12, "squash"))[0] == photo[::-1, ::-1].transpose(2, 0, 1)).all()


def test_a_packed_dataset_has_the_rows_of_train_then_test(tmp_path):
    images = small_raw(tmp_path / "raw")
    pack(tmp_path / "raw", tmp_path / "packed", Form(6, "squash"))
    packed = PackedDataset.open(tmp_path / "packed")
    every = images["train"] + images["test"]
    for row in (0, 17, 29, 30, 41):
        expected = Image.fromarray(every[row]).resize((6, 6), Image.Resampling.BILINEAR)
        assert (packed.images[row] == np.asarray(expected).transpose(2, 0, 1)).all()
    assert packed.images.shape == (42, 3, 6, 6)
    assert packed.images.dtype == np.uint8
    assert packed.labels.tolist() == [*(np.arange(30) % 3), *(np.arange(12) % 3)]
    assert packed.splits.tolist() == ["train"] * 30 + ["test"] * 12
    assert set(packed.domains) == {-1}
    assert packed.class_names == ("a", "b", "c")
    manifest = json.loads((tmp_path / "packed/manifest.json").read_text())
    assert manifest["counts"] == {"train": {"a": 10, "b": 10, "c": 10}, "test": {"a": 4, "b": 4, "c": 4}}
    assert manifest["duplicates"] == {"within train": 0, "within test": 0, "test in train": 0}


def test_two_workers_write_the_same_bytes_as_one(tmp_path, monkeypatch):
    small_raw(tmp_path / "raw")
    monkeypatch.setattr("tradeoff.data.pack.ROWS_AT_ONCE", 4)
    for workers in (1, 2):
        pack(tmp_path / "raw", tmp_path / str(workers), Form(8, "crop"), workers)
    for name in ("images.npy", "index.parquet", "manifest.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_image_that_does_not_decode_is_named_and_nothing_is_left(tmp_path, monkeypatch, workers):
    monkeypatch.setattr("tradeoff.data.pack.ROWS_AT_ONCE", 4)

    def cut(images):
        images["train"][13] = png(images["train"][13])[:60]

    small_raw(tmp_path / "raw", change=cut)
    with pytest.raises(UserError, match=r"train\.parquet, row 13.*does not decode"):
        pack(tmp_path / "raw", tmp_path / "packed", Form(8, "squash"), workers)
    assert list((tmp_path / "packed").iterdir()) == []


def test_exact_duplicates_are_counted_within_train_and_across(tmp_path):
    def repeat(images):
        images["train"][5] = images["train"][9] = images["train"][2]
        images["test"][3] = images["train"][2]
        images["test"][7] = images["test"][8] = images["train"][20]

    small_raw(tmp_path / "raw", change=repeat)
    pack(tmp_path / "raw", tmp_path / "packed", Form(6, "squash"))
    manifest = json.loads((tmp_path / "packed/manifest.json").read_text())
    assert manifest["duplicates"] == {"within train": 2, "within test": 1, "test in train": 3}
    assert manifest["leaked_test_rows"] == [33, 37, 38]


@pytest.mark.skipif(
    not (MIRROR / "datasets/cifar100").is_dir(), reason="needs the mirror folder (TRADEOFF_MIRROR)"
)
def test_leaks_planted_in_cifar100_are_found_and_the_mirrors_part_of_it_has_none(tmp_path):
    """The full CIFAR-100 has ten test images among its training images; a brute-force search is the oracle."""
    fetch("cifar100", {}, MIRROR, tmp_path / "raw")
    train, test = (pq.read_table(tmp_path / f"raw/{split}.parquet") for split in ("train", "test"))
    pq.write_table(train.slice(0, 2000), tmp_path / "raw/train.parquet")
    pq.write_table(pa.concat_tables([test, train.slice(500, 10)]), tmp_path / "raw/test.parquet")
    record = tmp_path / "raw/source.json"
    write_sealed(
        record, read_sealed(record) | {"sha256": sums(tmp_path / "raw", ["train.parquet", "test.parquet"])}
    )
    pack(tmp_path / "raw", tmp_path / "packed", Form(32, "squash"))
    images = PackedDataset.open(tmp_path / "packed").images.reshape(4010, -1)
    leaked = [row for row in range(2000, 4010) if (images[:2000] == images[row]).all(axis=1).any()]
    assert leaked == list(range(4000, 4010))
    assert json.loads((tmp_path / "packed/manifest.json").read_text())["leaked_test_rows"] == leaked


def test_a_class_without_test_images_is_refused(tmp_path):
    small_raw(tmp_path / "raw", test=2)
    with pytest.raises(UserError, match=r"test\.parquet.*1 classes \(c\)"):
        pack(tmp_path / "raw", tmp_path / "packed", Form(6, "squash"))


@pytest.mark.parametrize("name", ["images.npy", "index.parquet"])
@pytest.mark.parametrize("fault", ["flipped", "cut", "missing"])
def test_a_packed_file_that_changed_is_refused_by_name(tmp_path, name, fault):
    small_raw(tmp_path / "raw")
    pack(tmp_path / "raw", tmp_path / "packed", Form(6, "squash"))
    PackedDataset.open(tmp_path / "packed")
    path = tmp_path / "packed" / name
    content = bytearray(path.read_bytes())
    path.unlink()
    if fault == "flipped":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif fault == "cut":
        path.write_bytes(content[:-10])
    with pytest.raises(UserError, match=f"{name}.*delete the folder"):
        PackedDataset.open(tmp_path / "packed")


def test_the_digest_follows_the_content_and_not_the_place(tmp_path):
    small_raw(tmp_path / "raw")
    for name in ("one", "two"):
        pack(tmp_path / "raw", tmp_path / name, Form(6, "squash"))
    pack(tmp_path / "raw", tmp_path / "cropped", Form(6, "crop"))
    digests = [PackedDataset.open(tmp_path / name).digest for name in ("one", "two", "cropped")]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.skipif(
    not (MIRROR / "datasets/pacs").is_dir(), reason="needs the mirror folder (TRADEOFF_MIRROR)"
)
def test_a_mirrors_photographs_are_packed_as_hf_datasets_decodes_them(tmp_path):
    import datasets

    fetch("pacs", {}, MIRROR, tmp_path / "raw")
    pack(tmp_path / "raw", tmp_path / "packed", Form(16, "squash"))
    packed = PackedDataset.open(tmp_path / "packed")
    test = str(MIRROR / "datasets/pacs/test.parquet")
    oracle = datasets.load_dataset(
        "parquet", data_files=test, split="train", cache_dir=str(tmp_path / "cache")
    )
    first = len(packed.labels) - len(oracle)
    assert packed.splits[first - 1 : first + 1].tolist() == ["train", "test"]
    assert packed.labels[first:].tolist() == oracle["label"][:]
    assert packed.domains[first:].tolist() == oracle["domain"][:]
    assert packed.domain_names == tuple(oracle.features["domain"].names)
    for row in range(0, len(oracle), 400):
        expected = oracle[row]["image"].convert("RGB").resize((16, 16), Image.Resampling.BILINEAR)
        assert (packed.images[first + row] == np.asarray(expected).transpose(2, 0, 1)).all()
