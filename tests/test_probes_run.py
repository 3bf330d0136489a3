"""A probe of a whole run: what it writes."""

import json
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from sklearn.datasets import load_digits

from tests.probes_support import (
    BACKBONE,
    CLASSES,
    COMPUTE,
    CORRUPTION,
    PGD,
    SHIFT,
    SLOW,
    STEPS,
    WARM,
    assert_same,
    fine_tuned,
    flip_bit,
    pack_arrays,
    probed,
    warm,
)
from tradeoff import snapshots, strategies
from tradeoff.backbones import build
from tradeoff.corruptions.corrupt import corrupt
from tradeoff.errors import UserError
from tradeoff.files import sha256_of
from tradeoff.probes import clean, corruption, load, modules, run, schema
from tradeoff.probes.run import Outputs
from tradeoff.seals import read_sealed, sums, write_sealed


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return fine_tuned(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory) -> Outputs:
    return probed(place, tmp_path_factory.mktemp("whole"))


def test_the_table_has_a_row_for_each_snapshot_and_epsilon(whole):
    table = pq.read_table(whole.table)
    rows = table.to_pylist()
    assert [(row["step"], row["epsilon"]) for row in rows] == [
        (step, epsilon) for step in STEPS for epsilon in (0.0, 0.01, 0.05, 0.5)
    ]
    assert {(row["test_set"], row["domain"], row["probe"], row["n"]) for row in rows} == {
        ("digits", None, "pgd", 60)
    }
    assert {row["threat"] for row in rows} == {"none", "pgd linf"}
    assert [row["epoch"] for row in rows[::4]] == [0.0, 1.0, 2.4]
    identity = json.loads(table.schema.metadata[b"identity"])
    assert identity["probe_digest"] == "probe-digest"
    assert identity["run_digest"] == "run-digest"


def test_clean_rows_are_the_accuracy_of_each_snapshot(place, whole):
    outcomes = load_file(whole.outcomes)
    images = np.load(place / "digits" / "images.npy")[outcomes["ids"]]
    model = build(BACKBONE, 10, 3, place / "weights.safetensors")
    strategies.apply(model, "lora", {"rank": 2}, 3)
    model.eval()
    rows = pq.read_table(whole.table).to_pylist()
    accuracies = set()
    for number, step in enumerate(STEPS):
        snapshots.load(model, place / "run" / "snapshots.safetensors", step, {})
        with torch.no_grad():
            right = model(torch.from_numpy(images).float() / 255).argmax(1).numpy() == outcomes["labels"]
        assert ((outcomes["first_failure"][number] > 0) == right).all()
        assert rows[4 * number]["correct"] == right.sum()
        accuracies.add(right.sum())
    assert len(accuracies) > 1  # the snapshots differ, so a snapshot loaded for another would show


@pytest.mark.parametrize(("strategy", "params"), [("lora", {"rank": 2}), ("ia3", {})])
def test_probes_see_updates_and_scales_folded_into_the_weights(
    place, tmp_path, monkeypatch, strategy, params
):
    weights = place / "weights.safetensors"
    model = build(BACKBONE, 10, 3, weights)
    inserted = set(model.net.state_dict())
    strategies.apply(model, strategy, params, 3)
    inserted ^= set(model.net.state_dict())
    state = snapshots.trainable_state(model)
    generator = torch.Generator().manual_seed(1)
    for tensor in state.values():
        tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.3)
    snapshots.write_part(tmp_path / "parts", 7, state)
    spec = {"name": strategy, "params": params}
    carried = snapshots.metadata(spec, BACKBONE, sha256_of(weights))
    snapshots.join(tmp_path / "parts", [7], tmp_path / "run" / "snapshots.safetensors", carried)
    about = read_sealed(place / "run" / "run.json")
    about["spec"] |= {"strategy": strategy, "strategy_spec": spec}
    about["sha256"] = sums(tmp_path / "run", ["snapshots.safetensors"])
    write_sealed(tmp_path / "run" / "run.json", about)
    for name in ("digits", "weights.safetensors", "backbone.json"):
        (tmp_path / name).symlink_to(place / name)
    seen, evaluate = [], clean.evaluate

    def watched(model, *others):
        seen.append(model)
        return evaluate(model, *others)

    monkeypatch.setattr(clean, "evaluate", watched)
    probed(tmp_path, tmp_path / "out", {"kind": "clean", "name": "clean", "limit": 60, "compute": COMPUTE})
    (subject,) = seen
    assert inserted  # the strategy adds something, of which the probed model has nothing left
    assert not inserted & set(subject.net.state_dict())
    images = torch.from_numpy(np.load(place / "digits" / "images.npy")).float() / 255
    with torch.no_grad():
        expected = model.eval()(images)
        scale = float(expected.abs().max().clamp(min=1))
        torch.testing.assert_close(subject(images), expected, rtol=0, atol=1e-5 * scale)


def test_outcomes_give_the_tables_counts(whole):
    outcomes = load_file(whole.outcomes)
    with safe_open(whole.outcomes, "numpy") as opened:
        assert json.loads(opened.metadata()["epsilons"]) == PGD["epsilons"]
    assert outcomes["steps"].tolist() == STEPS
    assert outcomes["first_failure"].dtype == np.uint8
    counts = [int((outcomes["first_failure"][k] > rank).sum()) for k in range(3) for rank in range(4)]
    assert counts == pq.read_table(whole.table)["correct"].to_pylist()


def test_an_audit_counts_the_verdicts_that_the_exact_attack_changes(place, tmp_path):
    outputs, exactly = probed(place, tmp_path / "short", WARM), probed(place, tmp_path / "exact", SLOW)
    rows = pq.read_table(outputs.table).to_pylist()
    ours, exact = (load_file(files.outcomes)["first_failure"] for files in (outputs, exactly))
    for place_, row in enumerate(rows):
        number, rank = divmod(place_, 4)
        assert row["audited"] == (exact[number] > 0).sum()
        assert row["disagreed"] == ((ours[number] > rank) != (exact[number] > rank)).sum()
    assert sum(row["disagreed"] for row in rows) > 0  # such a safety is far too small
    (flag,) = json.loads(pq.read_table(outputs.table).schema.metadata[b"flags"])[-1:]
    assert "too bold" in flag
    assert {row["audited"] for row in pq.read_table(exactly.table).to_pylist()} == {None}


def test_an_audit_takes_its_share_of_the_samples_by_their_own_streams(place, tmp_path):
    audited = [
        pq.read_table(probed(place, tmp_path / str(batch), warm(share=0.3, batch=batch)).table)["audited"]
        for batch in (7, 32)
    ]
    assert audited[0] == audited[1]
    assert 0 < min(audited[0].to_pylist()) <= max(audited[0].to_pylist()) < 40


def test_compiling_is_left_out_on_the_cpu_with_a_line(place, whole, tmp_path, capsys):
    outputs = probed(place, tmp_path, PGD | {"compute": COMPUTE | {"compile": True}})
    assert "compute.compile: left out on the CPU" in capsys.readouterr().out
    assert_same(outputs, whole)


def test_a_gpu_compiles_with_inductor():
    settings = COMPUTE | {"compile": True}
    assert run._compute(settings, torch.device("cuda")).compile == "inductor"
    assert run._compute(COMPUTE, torch.device("cuda")).compile is None


def test_the_record_names_what_was_made_and_from_what(place, whole):
    record = read_sealed(whole.record)
    assert record["sha256"] == sums(whole.table.parent, [whole.table.name, whole.outcomes.name])
    assert record["snapshots_sha256"] == sha256_of(place / "run" / "snapshots.safetensors")
    assert record["weights_sha256"] == sha256_of(place / "weights.safetensors")
    assert record["versions"]["torch"] == metadata.version("torch")


def test_a_shift_tests_on_each_set(place, tmp_path):
    outputs = probed(place, tmp_path, SHIFT, ("digits", "typeset_digits"))
    rows = pq.read_table(outputs.table).to_pylist()
    assert [row["test_set"] for row in rows] == ["digits", "typeset_digits"] * 3
    outcomes = load_file(outputs.outcomes)
    for row in rows:
        number = STEPS.index(row["step"])
        assert outcomes[f"correct/{row['test_set']}"][number].sum() == row["correct"]
    assert (outcomes["ids/typeset_digits"] % 2 == 1).all()


@pytest.fixture(scope="module")
def corrupted(place, tmp_path_factory) -> Outputs:
    """A corruption probe, uninterrupted."""
    return probed(place, tmp_path_factory.mktemp("corrupted"), CORRUPTION)


def test_corrupted_rows_have_a_severity_and_no_epsilon_so_that_none_passes_for_clean(corrupted):
    rows = pq.read_table(corrupted.table).to_pylist()
    assert [(row["threat"], row["epsilon"], row["severity"]) for row in rows[:5]] == [
        ("none", 0.0, None),
        ("gaussian_noise", None, 1),
        ("gaussian_noise", None, 5),
        ("contrast", None, 1),
        ("contrast", None, 5),
    ]
    assert len(rows) == 5 * len(STEPS)
    assert {(row["test_set"], row["n"]) for row in rows} == {("digits", 60)}


def test_corrupted_rows_are_the_accuracy_on_the_corrupted_images(place, corrupted):
    outcomes = load_file(corrupted.outcomes)
    ids = outcomes["ids/digits"]
    images = corrupt(np.load(place / "digits" / "images.npy")[ids], ids, "gaussian_noise", 5, 0)
    model = build(BACKBONE, 10, 3, place / "weights.safetensors")
    strategies.apply(model, "lora", {"rank": 2}, 3)
    model.eval()
    snapshots.load(model, place / "run" / "snapshots.safetensors", STEPS[1], {})
    with torch.no_grad():
        answers = model(torch.from_numpy(images).float() / 255).argmax(1).numpy()
    right = answers == outcomes["labels/digits"]
    assert (outcomes["correct/digits/gaussian_noise/5"][1] == right).all()
    rows = pq.read_table(corrupted.table).to_pylist()
    assert rows[5 + 2]["correct"] == right.sum()


def test_a_killed_corruption_probe_and_its_shards_corrupt_images_once_and_end_with_the_same_bytes(
    place, corrupted, tmp_path, monkeypatch
):
    written = []
    write = corruption._write
    monkeypatch.setattr(
        corruption, "_write", lambda file, *rest: (written.append(file.name), write(file, *rest))
    )
    for shard in range(2):
        probed(place, tmp_path, CORRUPTION, shard=(shard, 2))
    assert len(written) == 4
    assert_same(probed(place, tmp_path, CORRUPTION), corrupted)
    assert len(written) == 4
    (parts,) = tmp_path.glob("*.parts-*")
    assert not (parts / "prepared").exists()  # the corrupted images are gone


def test_corrupted_images_with_a_flipped_bit_are_made_again(place, corrupted, tmp_path):
    probed(place, tmp_path, CORRUPTION, shard=(0, 2))
    for images in tmp_path.glob("*/prepared/digits/*.npy"):
        flip_bit(images, -7)
    assert_same(probed(place, tmp_path, CORRUPTION), corrupted)


def test_the_cost_of_a_probe_counts_the_seconds_of_corrupting_once_for_each_job_that_did(
    place, tmp_path, monkeypatch
):
    """Each shard prepares, as a job of its own; the clock moves by 100 s in preparing, and nowhere else."""
    now = [0.0]
    prepare = corruption.prepare
    monkeypatch.setattr(run.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(run, "_progress", lambda *_: "")  # it divides by the seconds of a snapshot

    def slow(*arguments):
        now[0] += 100
        return prepare(*arguments)

    monkeypatch.setattr(corruption, "prepare", slow)
    for shard in range(2):
        probed(place, tmp_path, CORRUPTION, shard=(shard, 2))
    cost = json.loads(probed(place, tmp_path, CORRUPTION).cost.read_text())
    assert cost["seconds_preparing"] == cost["seconds"] == 200
    assert set(cost["seconds_by_step"].values()) == {0}


def test_a_corrupted_image_depends_neither_on_the_block_it_is_made_in_nor_on_the_batch(
    place, corrupted, tmp_path, monkeypatch
):
    monkeypatch.setattr(corruption, "BLOCK", 7)
    again = probed(place, tmp_path, CORRUPTION | {"compute": COMPUTE | {"batch_size": 9}})
    first, second = load_file(corrupted.outcomes), load_file(again.outcomes)
    assert all((first[name] == second[name]).mean() > 0.99 for name in first)
    assert again.table.exists()


def test_other_classes_are_refused(place, tmp_path):
    data = load_digits()
    pack_arrays(
        tmp_path / "letters", np.zeros((20, 3, 8, 8), np.uint8), data.target[:20], [*CLASSES[:9], "x"]
    )
    shutil.copytree(place / "digits", tmp_path / "digits")
    for name in ("run", "weights.safetensors", "backbone.json"):
        (tmp_path / name).symlink_to(place / name)
    with pytest.raises(UserError, match="test set letters"):
        probed(tmp_path, tmp_path / "out", SHIFT, ("digits", "letters"))
    assert not (tmp_path / "out").exists()


def test_every_kind_has_a_schema_and_names_its_modules():
    import jsonschema

    validator = jsonschema.Draft202012Validator(schema("attack"))
    good = {"kind": "attack", "attack": "pgd", "epsilons": ["4/255", 0.5], "steps": 3}
    assert validator.is_valid(good)
    assert not validator.is_valid(good | {"queries": 3})  # Square's, not PGD's
    assert not validator.is_valid(good | {"steps": 0})
    assert not validator.is_valid(good | {"epsilons": []})
    assert modules(good) == ["tradeoff.probes.attack", "tradeoff.attacks.pgd"]
    assert load("clean") is clean
    validator = jsonschema.Draft202012Validator(schema("corruption"))
    fog = {"kind": "corruption", "corruptions": ["fog"]}
    assert validator.is_valid(fog) and validator.is_valid({"kind": "corruption"})
    assert not validator.is_valid(fog | {"corruptions": ["smog"]})
    assert not validator.is_valid(fog | {"severities": [0]})
    assert modules(fog) == ["tradeoff.probes.corruption", "tradeoff.corruptions.fog"]
    assert len(modules({"kind": "corruption"})) == 16
    assert jsonschema.Draft202012Validator(schema("shift")).is_valid({"kind": "shift"})
