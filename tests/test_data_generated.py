"""The drawn and bundled datasets: real digits as they are, printed ones like them, legible letters."""

import json
from collections import Counter
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.ft2font import FT2Font
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from tradeoff.data.decode import Form
from tradeoff.data.fetch import fetch
from tradeoff.data.fonts import FONTS
from tradeoff.data.pack import pack
from tradeoff.data.sources import digits, glyphs, typeset_digits
from workflow_scripts import fetch_dataset, pack_dataset


@pytest.fixture(scope="module")
def drawn():
    return {module.__name__.split(".")[-1]: module.generate() for module in (digits, glyphs, typeset_digits)}


def vectors(split):
    return split[0].reshape(len(split[0]), -1) / 255.0, split[1]


def neighbours_accuracy(train, test):
    return KNeighborsClassifier(3).fit(*vectors(train)).score(*vectors(test))


def test_digits_are_scikit_learns_each_once_with_fifty_of_a_class_to_test(drawn):
    images = np.concatenate([drawn["digits"].train[0], drawn["digits"].test[0]])
    labels = np.concatenate([drawn["digits"].train[1], drawn["digits"].test[1]])
    values, expected = load_digits(return_X_y=True)
    ours = Counter(
        (label, *row) for label, row in zip(labels, np.rint(images.reshape(-1, 64) / 255 * 16), strict=True)
    )
    theirs = Counter((label, *row) for label, row in zip(expected, values, strict=True))
    assert ours == theirs
    assert np.bincount(drawn["digits"].test[1]).tolist() == [50] * 10


def test_typeset_digits_look_like_the_handwritten_ones_to_a_classifier_of_those(drawn):
    ours, theirs = drawn["typeset_digits"], drawn["digits"]
    assert ours.class_names == theirs.class_names
    assert ours.train[0].shape[1:] == theirs.train[0].shape[1:]
    assert set(np.unique(ours.train[0])) <= set(np.unique(theirs.train[0]))
    within = neighbours_accuracy(theirs.train, theirs.test)
    shifted = neighbours_accuracy(theirs.train, ours.test)
    assert within > 0.95
    assert 0.4 < shifted < within
    assert neighbours_accuracy(ours.train, ours.test) > 0.9
    negative = (255 - ours.test[0], ours.test[1])
    assert neighbours_accuracy(theirs.train, negative) < shifted / 2


@pytest.mark.parametrize(("name", "train", "test"), [("typeset_digits", 120, 80), ("glyphs", 325, 55)])
def test_every_class_is_drawn_equally_often_and_no_image_twice(drawn, name, train, test):
    classes = len(drawn[name].class_names)
    assert np.bincount(drawn[name].train[1]).tolist() == [train] * classes
    assert np.bincount(drawn[name].test[1]).tolist() == [test] * classes
    images = np.concatenate([drawn[name].train[0], drawn[name].test[0]])
    assert len({image.tobytes() for image in images}) == len(images)


def test_glyphs_can_be_told_apart_though_not_trivially(drawn):
    some = slice(0, 6000)
    train = (drawn["glyphs"].train[0][some], drawn["glyphs"].train[1][some])
    accuracy = neighbours_accuracy(train, drawn["glyphs"].test)
    assert 0.5 < accuracy < 0.97
    corners = drawn["glyphs"].train[0][:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert np.median(corners) < 64  # white on black


def test_every_font_has_the_letters_and_digits_under_their_own_names():
    names = {"A": "A", "Z": "Z", "g": "g", "t": "t", "0": "zero", "7": "seven"}
    for font in FONTS:
        face = FT2Font(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"))
        for character, name in names.items():
            assert face.get_glyph_name(face.get_char_index(ord(character))) == name, font


def test_the_scripts_write_a_generated_dataset_with_the_same_bytes_every_time(tmp_path):
    for attempt in ("one", "two"):
        raw = tmp_path / attempt / "raw"
        fetch_dataset.main(["--dataset", "typeset_digits", "--output", str(raw)])
        sizes = ["--size", "16", "--resize", "squash"]
        pack_dataset.main(["--raw", str(raw), *sizes, "--output", str(tmp_path / attempt / "packed")])
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("[!.]*.*")]
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    manifest = json.loads((tmp_path / "one/packed/manifest.json").read_text())
    assert manifest["shape"] == [2000, 3, 16, 16]
    assert manifest["source"]["kind"] == "generated"


def test_the_digits_survive_png_parquet_and_packing(drawn, tmp_path):
    fetch("digits", {}, None, tmp_path / "raw")
    pack(tmp_path / "raw", tmp_path / "packed", Form(8, "squash"))
    images = np.load(tmp_path / "packed/images.npy")
    expected = np.concatenate([drawn["digits"].train[0], drawn["digits"].test[0]])
    assert (images == expected[:, None]).all()
