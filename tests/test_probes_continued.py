"""Probes that were killed, sharded or damaged end with the bytes of one that was not."""

import shutil
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from tests.probes_support import WARM, assert_same, fine_tuned, flip_bit, outputs_in, probed
from tradeoff import locks
from tradeoff.attempts import forget
from tradeoff.errors import UserError
from tradeoff.locks import sole_worker
from tradeoff.probes import attack
from tradeoff.probes.run import Outputs


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return fine_tuned(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory) -> Outputs:
    return probed(place, tmp_path_factory.mktemp("whole"))


def test_a_killed_probe_continues_and_ends_with_the_same_bytes(place, whole, tmp_path, monkeypatch):
    evaluate, calls = attack.evaluate, []

    def dies_at_the_third(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    monkeypatch.setattr(attack, "evaluate", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        probed(place, tmp_path)
    assert not outputs_in(tmp_path).table.exists()
    resumed = probed(place, tmp_path)
    assert len(calls) == 4  # the two finished snapshots are not evaluated again
    assert_same(resumed, whole)
    for file in (
        resumed.table,
        resumed.outcomes,
        resumed.cost,
        resumed.record,
    ):  # as Snakemake does when nobody noted the end
        file.unlink()
    assert_same(probed(place, tmp_path), whole)
    assert len(calls) == 4
    forget(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == [
        "pgd.cost.json", "pgd.outcomes.safetensors", "pgd.parquet", "pgd.record.json"
    ]  # fmt: skip


def test_shards_end_with_the_same_bytes(place, whole, tmp_path):
    for shard in range(2):
        outputs = probed(place, tmp_path, shard=(shard, 2))
        assert not outputs.table.exists()
    assert_same(probed(place, tmp_path), whole)


# Slow steps and next to no safety: many samples are accepted that would have been fooled later.


def test_a_killed_warm_start_continues_and_ends_with_the_same_bytes(place, tmp_path, monkeypatch):
    uninterrupted = probed(place, tmp_path / "whole", WARM)
    evaluate, starts = attack.evaluate, []

    def dies_at_the_third(model, test_sets, *more):
        starts.append(test_sets[0].hints)
        if len(starts) == 3:
            raise KeyboardInterrupt
        return evaluate(model, test_sets, *more)

    monkeypatch.setattr(attack, "evaluate", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        probed(place, tmp_path / "killed", WARM)
    resumed = probed(place, tmp_path / "killed", WARM)
    assert starts[0] is None
    assert starts[1].any()
    assert (starts[2] == starts[3]).all()
    assert len(starts) == 4
    assert_same(resumed, uninterrupted)
    (parts,) = (tmp_path / "killed").glob("*.parts-*")
    assert [part.suffix for part in parts.iterdir()] == [".safetensors"] * 3  # no hints: they are large


def test_a_warm_start_cannot_be_sharded(place, tmp_path):
    with pytest.raises(UserError, match=r"shard 1/2.*one before.*leave out --shard, or warm_start"):
        probed(place, tmp_path, WARM, shard=(0, 2))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["digest", "code"])
def test_parts_of_other_settings_or_code_are_not_continued(place, tmp_path, key):
    probed(place, tmp_path, shard=(0, 2), **{key: "before"})
    (before,) = tmp_path.glob("*.parts-*")
    probed(place, tmp_path, **{key: "after"})
    (after,) = tmp_path.glob("*.parts-*")
    assert before.name != after.name


@pytest.mark.parametrize("shards", [1, 2])
def test_a_probe_waits_for_one_of_the_same_table_under_other_settings(place, tmp_path, shards, monkeypatch):
    said = Queue()
    monkeypatch.setattr(locks, "print", lambda text, **_: said.put(text), raising=False)
    with sole_worker(outputs_in(tmp_path).table):
        waiting = Thread(target=probed, args=(place, tmp_path), kwargs={"shard": (0, shards)})
        waiting.start()
        assert "waiting for another process" in said.get(timeout=60)
        assert not list(tmp_path.glob("*.parts-*"))
    waiting.join()
    assert list(tmp_path.glob("*.parts-*"))


@pytest.mark.parametrize("byte", [0, 300, -1])
def test_a_damaged_part_is_made_again(place, whole, tmp_path, byte):
    probed(place, tmp_path, shard=(0, 1000))
    (part,) = tmp_path.glob("*/*.safetensors")
    flip_bit(part, byte)
    assert_same(probed(place, tmp_path), whole)


def test_damaged_snapshots_and_weights_are_refused_by_name(place, tmp_path):
    for folder, name in (("run", "snapshots.safetensors"), (".", "weights.safetensors")):
        copy = tmp_path / name
        shutil.copytree(place, copy)
        flip_bit(copy / folder / name, -5)
        with pytest.raises(UserError, match=rf"{name}: found sha256 \w+; expected \w+; it was damaged"):
            probed(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()
