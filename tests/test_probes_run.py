"""A probe of a whole run: what it writes, and that kills and shards change nothing."""

import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from safetensors.torch import save_file
from sklearn.datasets import load_digits

from tests.backbones_support import seal_weights
from tradeoff import snapshots, strategies
from tradeoff.attempts import forget
from tradeoff.backbones import build
from tradeoff.corruptions.corrupt import corrupt
from tradeoff.errors import UserError
from tradeoff.files import sha256_of
from tradeoff.probes import attack, clean, corruption, load, modules, run, schema, shift
from tradeoff.probes.run import Outputs, probe_run
from tradeoff.seals import read_sealed, sums, write_sealed
from workflow_scripts import probe as script
from workflow_scripts import probe_batch

STEPS = [0, 5, 12]
CLASSES = [str(digit) for digit in range(10)]
BACKBONE = {
    "model": "vit_tiny_patch16_224",
    "arguments": {"img_size": 8, "patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 2},
    "image_size": 8,
    "resize": "squash",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "weights": {"pretrain": "glyphs"},
}
SPEC = {
    "dataset": "digits",
    "backbone": "small_vit",
    "strategy": "lora",
    "objective": "standard",
    "seed": 3,
    "data": {
        "validation_share": 0.1,
        "split_seed": 0,
        "limit": {"train": None, "validation": None, "test": None},
    },
    "backbone_spec": BACKBONE,
    "strategy_spec": {"name": "lora", "params": {"rank": 2}},
}
COMPUTE = {
    "deterministic": False,
    "threads": 1,
    "batch_size": 32,
    "precision": "fp32",
    "channels_last": False,
    "compile": False,
}
PGD = {
    "kind": "attack",
    "name": "pgd",
    "attack": "pgd",
    "norm": "linf",
    "epsilons": [0.01, 0.05, 0.5],
    "steps": 5,
    "seed": 0,
    "limit": 60,
    "compute": COMPUTE,
}
CORRUPTION = {
    "kind": "corruption",
    "name": "common",
    "corruptions": ["gaussian_noise", "contrast"],
    "severities": [1, 5],
    "seed": 0,
    "limit": 60,
    "compute": COMPUTE,
}
SHIFT = {"kind": "shift", "name": "shift", "limit": 60, "compute": COMPUTE}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a packed dataset, a shifted one, weights, and a run with three snapshots."""
    root = tmp_path_factory.mktemp("study")
    data = load_digits()
    images = np.repeat((data.images[:200] * 255 / 16).astype(np.uint8)[:, None], 3, axis=1)
    _pack(root / "digits", images, data.target[:200])
    _pack(root / "typeset_digits", 255 - images, data.target[:200])
    model = build(BACKBONE, 10, 3, None)
    save_file(
        {name: tensor.contiguous() for name, tensor in model.net.state_dict().items()},
        root / "weights.safetensors",
    )
    seal_weights(root / "weights.safetensors")
    strategies.apply(model, "lora", {"rank": 2}, 3)
    generator = torch.Generator().manual_seed(0)
    for step in STEPS:
        state = snapshots.trainable_state(model)
        for name, tensor in state.items():
            tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.3 if "lora" in name else 0.5)
        snapshots.write_part(root / "parts", step, state)
    run = root / "run"
    carried = snapshots.metadata(SPEC["strategy_spec"], BACKBONE, sha256_of(root / "weights.safetensors"))
    snapshots.join(root / "parts", STEPS, run / "snapshots.safetensors", carried)
    write_sealed(
        run / "run.json",
        {
            "digest": "run-digest",
            "spec": SPEC,
            "code": "code",
            "data_digest": "data",
            "weights_sha256": carried["weights_sha256"],
            "class_names": CLASSES,
            "steps_per_epoch": 5,
            "sha256": sums(run, ["snapshots.safetensors"]),
        },
    )
    return root


def _pack(folder: Path, images: np.ndarray, labels: np.ndarray, classes: list[str] = CLASSES) -> None:
    folder.mkdir()
    np.save(folder / "images.npy", images)
    n = len(labels)
    table = {
        "row": np.arange(n),
        "label": labels.astype(np.int64),
        "domain": pa.nulls(n, pa.int64()),
        "split": ["test" if row % 2 else "train" for row in range(n)],
    }
    pq.write_table(pa.table(table), folder / "index.parquet")
    files = [folder / "images.npy", folder / "index.parquet"]
    write_sealed(
        folder / "manifest.json",
        {
            "shape": list(images.shape),
            "class_names": classes,
            "domain_names": [],
            "bytes": {file.name: file.stat().st_size for file in files},
            "sha256": {file.name: sha256_of(file) for file in files},
        },
    )


def _outputs(folder: Path, name: str = "pgd") -> Outputs:
    return Outputs(
        folder / f"{name}.parquet", folder / f"{name}.outcomes.safetensors", folder / f"{name}.cost.json"
    )


def _probe(place: Path, folder: Path, probe: dict[str, Any] = PGD, data=("digits",), **more: Any) -> Outputs:
    outputs = _outputs(folder, probe["name"])
    sets = {name: place / name for name in data}
    probe_run(
        probe,
        more.pop("digest", "probe-digest"),
        more.pop("code", "code"),
        place / "run",
        place / "weights.safetensors",
        sets,
        outputs,
        **more,
    )
    return outputs


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory) -> Outputs:
    """The attack probe, uninterrupted."""
    return _probe(place, tmp_path_factory.mktemp("whole"))


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

    def watched(probed, *others):
        seen.append(probed)
        return evaluate(probed, *others)

    monkeypatch.setattr(clean, "evaluate", watched)
    _probe(tmp_path, tmp_path / "out", {"kind": "clean", "name": "clean", "limit": 60, "compute": COMPUTE})
    (probed,) = seen
    assert inserted  # the strategy adds something, of which the probed model has nothing left
    assert not inserted & set(probed.net.state_dict())
    images = torch.from_numpy(np.load(place / "digits" / "images.npy")).float() / 255
    with torch.no_grad():
        expected = model.eval()(images)
        scale = float(expected.abs().max().clamp(min=1))
        torch.testing.assert_close(probed(images), expected, rtol=0, atol=1e-5 * scale)


def test_outcomes_give_the_tables_counts(whole):
    outcomes = load_file(whole.outcomes)
    with safe_open(whole.outcomes, "numpy") as opened:
        assert json.loads(opened.metadata()["epsilons"]) == PGD["epsilons"]
    assert outcomes["steps"].tolist() == STEPS
    assert outcomes["first_failure"].dtype == np.uint8
    counts = [int((outcomes["first_failure"][k] > rank).sum()) for k in range(3) for rank in range(4)]
    assert counts == pq.read_table(whole.table)["correct"].to_pylist()


def test_a_killed_probe_continues_and_ends_with_the_same_bytes(place, whole, tmp_path, monkeypatch):
    evaluate, calls = attack.evaluate, []

    def dies_at_the_third(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    monkeypatch.setattr(attack, "evaluate", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        _probe(place, tmp_path)
    assert not _outputs(tmp_path).table.exists()
    resumed = _probe(place, tmp_path)
    assert len(calls) == 4  # the two finished snapshots are not evaluated again
    _assert_same(resumed, whole)
    for file in (
        resumed.table,
        resumed.outcomes,
        resumed.cost,
        resumed.record,
    ):  # as Snakemake does when nobody noted the end
        file.unlink()
    _assert_same(_probe(place, tmp_path), whole)
    assert len(calls) == 4
    forget(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "pgd.cost.json", "pgd.outcomes.safetensors", "pgd.parquet", "pgd.record.json"
    ]  # fmt: skip


def test_shards_end_with_the_same_bytes(place, whole, tmp_path):
    for shard in range(2):
        outputs = _probe(place, tmp_path, shard=(shard, 2))
        assert not outputs.table.exists()
    _assert_same(_probe(place, tmp_path), whole)


# Slow steps and next to no safety: many samples are accepted that would have been fooled later.
SLOW = PGD | {"steps": 20, "relative_step": 0.05, "random_start": False}
WARM = SLOW | {"shortcuts": {"early_accept": True, "safety": 0.01, "warm_start": True, "audit": 1.0}}


def test_a_killed_warm_start_continues_and_ends_with_the_same_bytes(place, tmp_path, monkeypatch):
    uninterrupted = _probe(place, tmp_path / "whole", WARM)
    evaluate, starts = attack.evaluate, []

    def dies_at_the_third(model, test_sets, *more):
        starts.append(test_sets[0].hints)
        if len(starts) == 3:
            raise KeyboardInterrupt
        return evaluate(model, test_sets, *more)

    monkeypatch.setattr(attack, "evaluate", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        _probe(place, tmp_path / "killed", WARM)
    resumed = _probe(place, tmp_path / "killed", WARM)
    assert starts[0] is None
    assert starts[1].any()
    assert (starts[2] == starts[3]).all()
    assert len(starts) == 4
    _assert_same(resumed, uninterrupted)
    (parts,) = (tmp_path / "killed").glob("*.parts-*")
    assert [part.suffix for part in parts.iterdir()] == [".safetensors"] * 3  # no hints: they are large


def test_a_warm_start_cannot_be_sharded(place, tmp_path):
    with pytest.raises(UserError, match=r"shard 1/2.*one before.*leave out --shard, or warm_start"):
        _probe(place, tmp_path, WARM, shard=(0, 2))
    assert not list(tmp_path.iterdir())


def test_an_audit_counts_the_verdicts_that_the_exact_attack_changes(place, tmp_path):
    outputs, exactly = _probe(place, tmp_path / "short", WARM), _probe(place, tmp_path / "exact", SLOW)
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
        pq.read_table(_probe(place, tmp_path / str(batch), _warm(share=0.3, batch=batch)).table)["audited"]
        for batch in (7, 32)
    ]
    assert audited[0] == audited[1]
    assert 0 < min(audited[0].to_pylist()) <= max(audited[0].to_pylist()) < 40


def test_compiling_is_left_out_on_the_cpu_with_a_line(place, whole, tmp_path, capsys):
    outputs = _probe(place, tmp_path, PGD | {"compute": COMPUTE | {"compile": True}})
    assert "compute.compile: left out on the CPU" in capsys.readouterr().out
    _assert_same(outputs, whole)


def test_a_gpu_compiles_with_inductor():
    settings = COMPUTE | {"compile": True}
    assert run._compute(settings, torch.device("cuda")).compile == "inductor"
    assert run._compute(COMPUTE, torch.device("cuda")).compile is None


def _warm(share: float, batch: int) -> dict[str, Any]:
    return WARM | {
        "shortcuts": WARM["shortcuts"] | {"audit": share},
        "compute": COMPUTE | {"batch_size": batch},
    }


def _assert_same(a: Outputs, b: Outputs) -> None:
    assert a.table.read_bytes() == b.table.read_bytes()
    assert a.outcomes.read_bytes() == b.outcomes.read_bytes()


@pytest.mark.parametrize("key", ["digest", "code"])
def test_parts_of_other_settings_or_code_are_not_continued(place, tmp_path, key):
    _probe(place, tmp_path, shard=(0, 2), **{key: "before"})
    (before,) = tmp_path.iterdir()
    _probe(place, tmp_path, shard=(0, 2), **{key: "after"})
    (after,) = tmp_path.iterdir()
    assert before.name != after.name


def _flip(file: Path, byte: int) -> None:
    content = bytearray(file.read_bytes())
    content[byte] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("byte", [0, 300, -1])
def test_a_damaged_part_is_made_again(place, whole, tmp_path, byte):
    _probe(place, tmp_path, shard=(0, 1000))
    (part,) = tmp_path.glob("*/*.safetensors")
    _flip(part, byte)
    _assert_same(_probe(place, tmp_path), whole)


def test_damaged_snapshots_and_weights_are_refused_by_name(place, tmp_path):
    for folder, name in (("run", "snapshots.safetensors"), (".", "weights.safetensors")):
        copy = tmp_path / name
        shutil.copytree(place, copy)
        _flip(copy / folder / name, -5)
        with pytest.raises(UserError, match=rf"{name}: found sha256 \w+; expected \w+; it was damaged"):
            _probe(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_record_names_what_was_made_and_from_what(place, whole):
    record = read_sealed(whole.record)
    assert record["sha256"] == sums(whole.table.parent, [whole.table.name, whole.outcomes.name])
    assert record["snapshots_sha256"] == sha256_of(place / "run" / "snapshots.safetensors")
    assert record["weights_sha256"] == sha256_of(place / "weights.safetensors")
    assert record["versions"]["torch"] == metadata.version("torch")


def test_a_shift_tests_on_each_set(place, tmp_path):
    outputs = _probe(place, tmp_path, SHIFT, ("digits", "typeset_digits"))
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
    return _probe(place, tmp_path_factory.mktemp("corrupted"), CORRUPTION)


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
        _probe(place, tmp_path, CORRUPTION, shard=(shard, 2))
    assert len(written) == 4
    _assert_same(_probe(place, tmp_path, CORRUPTION), corrupted)
    assert len(written) == 4
    (parts,) = tmp_path.glob("*.parts-*")
    assert not (parts / "prepared").exists()  # the corrupted images are gone


def test_corrupted_images_with_a_flipped_bit_are_made_again(place, corrupted, tmp_path):
    _probe(place, tmp_path, CORRUPTION, shard=(0, 2))
    for images in tmp_path.glob("*/prepared/digits/*.npy"):
        _flip(images, -7)
    _assert_same(_probe(place, tmp_path, CORRUPTION), corrupted)


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
        _probe(place, tmp_path, CORRUPTION, shard=(shard, 2))
    cost = json.loads(_probe(place, tmp_path, CORRUPTION).cost.read_text())
    assert cost["seconds_preparing"] == cost["seconds"] == 200
    assert set(cost["seconds_by_step"].values()) == {0}


def test_a_corrupted_image_depends_neither_on_the_block_it_is_made_in_nor_on_the_batch(
    place, corrupted, tmp_path, monkeypatch
):
    monkeypatch.setattr(corruption, "BLOCK", 7)
    again = _probe(place, tmp_path, CORRUPTION | {"compute": COMPUTE | {"batch_size": 9}})
    first, second = load_file(corrupted.outcomes), load_file(again.outcomes)
    assert all((first[name] == second[name]).mean() > 0.99 for name in first)
    assert again.table.exists()


def test_other_classes_are_refused(place, tmp_path):
    data = load_digits()
    _pack(tmp_path / "letters", np.zeros((20, 3, 8, 8), np.uint8), data.target[:20], [*CLASSES[:9], "x"])
    shutil.copytree(place / "digits", tmp_path / "digits")
    for name in ("run", "weights.safetensors", "backbone.json"):
        (tmp_path / name).symlink_to(place / name)
    with pytest.raises(UserError, match="test set letters"):
        _probe(tmp_path, tmp_path / "out", SHIFT, ("digits", "letters"))
    assert not (tmp_path / "out").exists()


def _arguments(
    place: Path, folder: Path, probe: dict[str, Any] = PGD, data=("digits",), digest="probe-digest"
) -> list[str]:
    """The command line of a probe."""
    outputs = _outputs(folder, probe["name"])
    return [
        f"--probe={json.dumps(probe)}", f"--digest={digest}", "--code=code", f"--run={place / 'run'}",
        f"--weights={place / 'weights.safetensors'}", *[f"--data={name}={place / name}" for name in data],
        f"--output={outputs.table}", f"--outcomes={outputs.outcomes}", f"--cost={outputs.cost}",
    ]  # fmt: skip


def test_the_script_does_the_same(place, whole, tmp_path, capsys):
    outputs = _outputs(tmp_path)
    script.main(_arguments(place, tmp_path))
    _assert_same(outputs, whole)
    assert "snapshot 2/3 (step 5): " in capsys.readouterr().out
    assert json.loads(outputs.cost.read_text())["images"] == 180


def test_the_device_that_is_asked_for_is_the_one_that_is_chosen(place, tmp_path, monkeypatch):
    asked: list[str] = []

    def noted(device, deterministic=False):
        asked.append(device)
        return torch.device("cpu")

    monkeypatch.setattr(run, "choose_device", noted)
    script.main([*_arguments(place, tmp_path), "--device=cuda:1"])
    listed = json.dumps([{"arguments": _arguments(place, tmp_path, SHIFT), "log": str(tmp_path / "log")}])
    probe_batch.main([f"--jobs={listed}", "--device=cpu"])
    assert (asked[0], set(asked[1:])) == ("cuda:1", {"cpu"})


def _batch(place: Path, folder: Path, **digests: str) -> None:
    """PGD and a shift in one process, each with a log of its own."""
    shifted = ("digits", "typeset_digits")
    jobs = {
        "pgd": _arguments(place, folder, PGD, digest=digests.get("pgd", "probe-digest")),
        "shift": _arguments(place, folder, SHIFT, shifted, digests.get("shift", "probe-digest")),
    }
    listed = [{"arguments": each, "log": str(folder / f"{name}.log")} for name, each in jobs.items()]
    probe_batch.main([f"--jobs={json.dumps(listed)}"])


def test_two_probes_in_one_process_end_with_the_bytes_of_each_alone(place, whole, tmp_path):
    (tmp_path / "alone").mkdir()
    alone = _probe(place, tmp_path / "alone", SHIFT, ("digits", "typeset_digits"))
    _batch(place, tmp_path)
    _assert_same(_outputs(tmp_path), whole)
    _assert_same(_outputs(tmp_path, "shift"), alone)
    assert "snapshot 3/3" in (tmp_path / "pgd.log").read_text()
    assert "clean on typeset_digits" in (tmp_path / "shift.log").read_text()


def test_of_a_batch_only_what_is_not_of_todays_settings_is_done_again(place, tmp_path):
    _batch(place, tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.parquet")}
    _batch(place, tmp_path, shift="another-digest")
    after = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.parquet")}
    assert [file.stem for file in before if after[file] != before[file]] == ["shift"]
    assert (tmp_path / "pgd.log").read_text() == "done before\n"


def test_a_batch_that_fails_loses_no_snapshot_it_measured(place, whole, tmp_path, monkeypatch):
    evaluate, calls = attack.evaluate, []

    def counted(*arguments):
        calls.append(1)
        return evaluate(*arguments)

    def fails(*arguments):
        raise UserError("a test set", "nothing", "images")

    monkeypatch.setattr(attack, "evaluate", counted)
    with monkeypatch.context() as broken, pytest.raises(SystemExit, match=r"shift\.parquet: a test set"):
        broken.setattr(shift, "evaluate", fails)
        _batch(place, tmp_path)
    assert not list(tmp_path.glob("*.parquet"))  # a table would be removed with the failed job's outputs
    assert (
        (tmp_path / "shift.log").read_text().splitlines()[-1].startswith("error: a test set: found nothing")
    )
    _batch(place, tmp_path)
    assert len(calls) == len(STEPS)
    _assert_same(_outputs(tmp_path), whole)


@pytest.mark.parametrize("value", ["3", "0/2", "3/2", "a/b"])
def test_a_wrong_shard_is_refused(value):
    with pytest.raises(UserError, match="--shard"):
        script._shard(value)


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
