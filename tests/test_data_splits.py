"""Splits: disjoint, complete, stratified, nested, and a function of (seed, row) alone."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data_support import write_raw
from tradeoff.data.decode import Form
from tradeoff.data.numbers import hashes, uniforms
from tradeoff.data.pack import pack
from tradeoff.data.packed import PackedDataset
from tradeoff.data.splits import limited, load_split, split_rows
from tradeoff.errors import UserError

SETTINGS = {"validation_share": 0.25, "split_seed": 3, "limit": None}


@st.composite
def packed_datasets(draw, official=False):
    n = draw(st.integers(1, 80))
    classes, domains = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    number = np.random.default_rng(draw(st.integers(0, 10**6)))
    splits = ["train", "test", "validation"] if official else ["train", "test"]
    return PackedDataset(
        folder=None,
        images=np.zeros((n, 3, 1, 1), np.uint8),
        labels=number.integers(classes, size=n),
        domains=number.integers(domains, size=n),
        splits=number.choice(splits, size=n).astype(object),
        class_names=(),
        domain_names=(),
        digest="",
    )


@settings(max_examples=60, deadline=None)
@given(packed_datasets(), st.floats(0, 0.9), st.integers(0, 2**31))
def test_train_and_validation_are_disjoint_complete_and_stratified(packed, share, seed):
    train, validation = (split_rows(packed, split, share, seed) for split in ("train", "validation"))
    assert not set(train) & set(validation)
    assert sorted([*train, *validation]) == list(np.flatnonzero(packed.splits == "train"))
    assert set(split_rows(packed, "test", share, seed)) == set(np.flatnonzero(packed.splits == "test"))
    for key in {(packed.domains[row], packed.labels[row]) for row in [*train, *validation]}:
        in_stratum = [
            sum((packed.domains[row], packed.labels[row]) == key for row in rows)
            for rows in (train, validation)
        ]
        assert in_stratum[0] >= 1
        wanted = min(int(share * sum(in_stratum) + 0.5), sum(in_stratum) - 1)
        assert in_stratum[1] == wanted


@settings(max_examples=20, deadline=None)
@given(packed_datasets(official=True), st.integers(0, 100))
def test_official_validation_images_are_used_as_they_are(packed, seed):
    if "validation" not in packed.splits:
        return
    for split in ("train", "validation", "test"):
        assert list(split_rows(packed, split, 0.3, seed)) == list(np.flatnonzero(packed.splits == split))


@settings(max_examples=60, deadline=None)
@given(packed_datasets(), st.integers(0, 2**31), st.integers(0, 90), st.integers(0, 90))
def test_a_limit_is_kept_nested_and_as_even_over_classes_as_possible(packed, seed, first, second):
    rows = np.arange(len(packed.labels))
    small, large = (limited(rows, packed.labels, limit, seed) for limit in sorted((first, second)))
    assert set(small) <= set(large)
    for limit, chosen in zip(sorted((first, second)), (small, large), strict=True):
        assert len(chosen) == min(limit, len(rows))
        assert list(chosen) == sorted(set(chosen))
        taken = np.bincount(packed.labels[chosen], minlength=5)
        there = np.bincount(packed.labels, minlength=5)
        # No class gives up an image that a fuller class could have spared.
        spare = [taken[c] for c in range(5) if taken[c] < there[c]]
        if spare:
            assert max(taken) <= min(spare) + 1


def test_other_rows_do_not_change_the_order_of_these():
    rows = np.arange(50)
    labels = np.zeros(50, int)
    of_all = limited(rows, labels, 50, 1)
    first_of_all = list(limited(rows, labels, 10, 1))
    without = np.setdiff1d(of_all, first_of_all[:1])
    assert set(first_of_all[1:]) <= set(limited(without, labels[without], 9, 1))


def test_another_seed_gives_another_split():
    packed = PackedDataset(
        None,
        np.zeros((100, 3, 1, 1), np.uint8),
        np.zeros(100, int),
        np.zeros(100, int),
        np.array(["train"] * 100, object),
        (),
        (),
        "",
    )
    assert set(split_rows(packed, "validation", 0.2, 0)) != set(split_rows(packed, "validation", 0.2, 1))


def test_numbers_are_uniform_and_do_not_depend_on_how_many_are_asked_for():
    numbers = uniforms(5, 1, (4000, 5))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = np.bincount((numbers.ravel() * 20).astype(int), minlength=20)
    assert ((counts - 1000) ** 2 / 1000).sum() < 50  # chi-squared, 19 degrees of freedom: p = 0.0001
    assert (uniforms(5, 1, (3, 5)) == numbers[:3]).all()
    assert not np.isin(hashes(5, 2, np.arange(100)), hashes(5, 1, np.arange(100))).any()
    assert not np.isin(hashes(6, 1, np.arange(100)), hashes(5, 1, np.arange(100))).any()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two domains, three classes; every image is filled with its own number."""
    root = tmp_path_factory.mktemp("packed")
    numbers = np.arange(120)
    images = np.broadcast_to(numbers[:, None, None, None], (120, 2, 2, 3)).astype(np.uint8)
    rows = {"train": slice(0, 90), "test": slice(90, 120)}
    write_raw(
        root / "raw",
        {split: (images[part], numbers[part] % 3, numbers[part] // 3 % 2) for split, part in rows.items()},
        ["a", "b", "c"],
        ["x", "y"],
    )
    pack(root / "raw", root / "packed", Form(2, "squash"))
    return root / "packed"


def test_a_loaded_split_holds_the_right_images_labels_and_rows(folder):
    for split in ("train", "validation", "test"):
        loaded = load_split(folder, None, split, **SETTINGS)
        assert (loaded.images == loaded.ids[:, None, None, None]).all()
        assert (loaded.labels == loaded.ids % 3).all()
        assert loaded.images.dtype == np.uint8
        assert loaded.labels.dtype == loaded.ids.dtype == np.int64
        assert loaded.images.shape == (len(loaded.ids), 3, 2, 2)


def test_a_domains_split_is_the_part_of_the_whole_split_in_that_domain(folder):
    for split in ("train", "validation", "test"):
        whole = load_split(folder, None, split, **SETTINGS).ids
        parts = [load_split(folder, domain, split, **SETTINGS).ids for domain in ("x", "y")]
        assert all(len(part) for part in parts)
        assert [set(part // 3 % 2) for part in parts] == [{0}, {1}]
        assert sorted(np.concatenate(parts)) == sorted(whole)


def test_a_limit_larger_than_the_split_is_the_split_and_a_smaller_one_is_balanced(folder):
    every = load_split(folder, None, "test", **SETTINGS)
    assert (load_split(folder, None, "test", **{**SETTINGS, "limit": 1000}).ids == every.ids).all()
    some = load_split(folder, None, "test", **{**SETTINGS, "limit": 9})
    assert np.bincount(some.labels).tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("domain", "split", "changes", "words"),
    [
        ("z", "train", {}, "no domain z"),
        (None, "validation", {"validation_share": 0.0}, "validation_share"),
        (None, "test", {"limit": 0}, r"data\.limit\.test"),
    ],
)
def test_an_empty_split_or_unknown_domain_is_refused(folder, domain, split, changes, words):
    with pytest.raises(UserError, match=words):
        load_split(folder, domain, split, **(SETTINGS | changes))


def test_a_packed_dataset_is_immutable_for_its_users(folder):
    packed = PackedDataset.open(folder)
    with pytest.raises(ValueError, match="read-only"):
        packed.images[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        packed.digest = ""
