"""Runs: fine-tune or pre-train as a resolved spec says, and leave a folder that says what it is."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from tradeoff import attempts, objectives, snapshots, strategies
from tradeoff.backbones import Classifier, build
from tradeoff.data.packed import PackedDataset
from tradeoff.data.registry import split_reference
from tradeoff.data.splits import Split, load_split
from tradeoff.devices import choose_device
from tradeoff.errors import UserError
from tradeoff.files import canonical_json, digest_of, whole_file
from tradeoff.identity import hardware, versions
from tradeoff.robust_validation import robust_validation
from tradeoff.schedules import kept_steps, probe_steps
from tradeoff.seals import check_weights, sums, write_sealed
from tradeoff.team import ALONE, Team, join
from tradeoff.training import Job, State, check_snapshots, evaluate, train

# What a run leaves; run.json, which says that the rest is whole, last.
RESULTS = ("snapshots.safetensors", "training.parquet", "cost.json", "run.json")


def fine_tune(
    spec: dict[str, Any], code: str, data: Path, weights: Path, output: Path, device: str = "auto"
) -> None:
    """Fine-tune and write snapshots.safetensors, training.parquet, cost.json and run.json into `output`.

    spec: a run's resolved settings (`tradeoff.study.Run.spec`); code: fingerprint of the code that runs.
    data: the packed dataset; weights: the backbone's, in safetensors; device: see `devices.choose_device`.
    A killed run continues from its last snapshot when spec, code, data and weights are still the same. One that ended
    before the workflow took note of it is not done again.
    Several processes that `team.start` started with these arguments fine-tune together, and the leader writes.
    """
    team = join(device)
    packed = PackedDataset.open(data)
    _, domain = split_reference(spec["dataset"])
    train_set, validation_set = (
        load_split(data, domain, split, **_split_settings(spec["data"], split))
        for split in ("train", "validation")
    )
    identity = {
        "digest": digest_of(spec),
        "code": code,
        "data_digest": packed.digest,
        "weights_sha256": check_weights(weights),
    }
    parts = output / f"resume-{digest_of(identity)[:16]}"
    if team.leads:
        _drop_other_attempts(output, parts)
    finished = team.leads and attempts.take_back(parts, output)
    if team.any(finished, device):
        team.part()
        print("finished before: nothing left to do")
        return
    model = build(spec["backbone_spec"], len(packed.class_names), spec["seed"], weights)
    if team.size > 1:
        _check_shareable(model, team.size)
    chosen = choose_device(device, spec["compute"]["deterministic"])
    job = _job(model, spec, train_set, validation_set, parts, chosen, team)
    state = train(job)
    team.part()
    if not team.leads:
        return
    steps = kept_steps(probe_steps(spec["probe_schedule"], state.step), spec["snapshots"])
    metadata = snapshots.metadata(spec["strategy_spec"], spec["backbone_spec"], identity["weights_sha256"])
    check_snapshots(job.parts, state.sums)
    snapshots.join(job.parts, steps, output / "snapshots.safetensors", metadata)
    _write_log(output / "training.parquet", state, identity["digest"])
    write_sealed(
        output / "cost.json",
        {
            "train_seconds": state.seconds,
            "images": state.step * spec["training"]["batch_size"],
            "processes": team.size,  # a device each, all of one kind: that of the leader
            "hardware": hardware(str(model.mean.device)),
        },
    )
    write_sealed(
        output / "run.json",
        identity
        | {
            "spec": spec,
            "class_names": packed.class_names,
            "steps": steps,
            "steps_per_epoch": math.ceil(len(train_set.labels) / spec["training"]["batch_size"]),
            "parameters": strategies.counts(model),
            "strategy": {key: getattr(job.applied.strategy, key) for key in ("place", "mechanism")},
            "versions": versions(),
            "sha256": sums(output, ("snapshots.safetensors", "training.parquet")),
        },
    )
    attempts.keep(parts, [output / name for name in RESULTS])


def pretrain(spec: dict[str, Any], code: str, data: Path, output: Path, device: str = "auto") -> None:
    """Train a backbone from scratch and write weights.safetensors and backbone.json into `output`.

    spec: {backbone_spec, dataset, training, seed, data, compute}; code: fingerprint of the code that runs;
    data: the packed upstream dataset; device: see `devices.choose_device`.
    backbone.json reports the accuracy on the upstream test images.
    """
    packed, digest = PackedDataset.open(data), digest_of(spec)
    splits = {
        split: load_split(data, None, split, **_split_settings(spec["data"], split))
        for split in ("train", "validation", "test")
    }
    parts = output / f"resume-{digest_of([digest, code, packed.digest])[:16]}"
    _drop_other_attempts(output, parts)
    if attempts.take_back(parts, output):
        print("finished before: nothing left to do")
        return
    model = build(spec["backbone_spec"], len(packed.class_names), spec["seed"], None)
    steps_per_epoch = math.ceil(len(splits["train"].labels) / spec["training"]["batch_size"])
    spec = spec | {
        "strategy_spec": {"name": "full", "params": {}},
        "objective_spec": {"name": "standard", "params": {}},
        "robust_validation": None,
        "probe_schedule": [{"every": steps_per_epoch}],
        "snapshots": "last",
    }
    chosen = choose_device(device, spec["compute"]["deterministic"])
    job = _job(model, spec, splits["train"], splits["validation"], parts, chosen)
    state = train(job)
    accuracy = evaluate(job.model, splits["test"], spec["training"]).accuracy
    print(f"upstream accuracy on {len(splits['test'].labels)} test images: {accuracy:.4f}")
    with whole_file(output / "weights.safetensors") as temporary:
        save_file(
            {name: tensor.contiguous().cpu() for name, tensor in model.net.state_dict().items()}, temporary
        )
    write_sealed(
        output / "backbone.json",
        {
            "source": "pre-trained here",
            "dataset": spec["dataset"],
            "data_digest": packed.digest,
            "upstream_accuracy": accuracy,
            "upstream_test_images": len(splits["test"].labels),
            "steps": state.step,
            "digest": digest,
            "code": code,
            "sha256": sums(output, ["weights.safetensors"]),
            "spec": spec,
            "versions": versions(),
        },
    )
    attempts.keep(parts, [output / "weights.safetensors", output / "backbone.json"])


def try_out(
    spec: dict[str, Any],
    data: Path,
    weights: Path,
    parts: Path,
    watch: Callable[[float], None],
    device: str = "auto",
) -> float:
    """Train as a run's spec says and return the validation accuracy at the end.

    watch: called with the validation accuracy after each epoch; what it raises ends the training. parts: a folder
    for snapshots, which nobody will look at. No test image is read.
    """
    packed = PackedDataset.open(data)
    _, domain = split_reference(spec["dataset"])
    train_set, validation_set = (
        load_split(data, domain, split, **_split_settings(spec["data"], split))
        for split in ("train", "validation")
    )
    model = build(spec["backbone_spec"], len(packed.class_names), spec["seed"], weights)
    spec = spec | {"snapshots": "last", "probe_schedule": [{"every": 2**31}]}
    shutil.rmtree(parts, ignore_errors=True)
    chosen = choose_device(device, spec["compute"]["deterministic"])
    state = train(_job(model, spec, train_set, validation_set, parts, chosen), watch)
    accuracy: float = state.rows[-1]["validation_accuracy"]
    return accuracy


def _check_shareable(model: Classifier, processes: int) -> None:
    """UserError for a network whose layers look at a whole batch, of which each process would see a share."""
    if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in model.modules()):
        raise UserError(
            "compute.processes",
            f"{processes} for a network with batch normalisation",
            "1, or another backbone",
        )


def _job(
    model: Classifier,
    spec: dict[str, Any],
    train_set: Split,
    validation_set: Split,
    parts: Path,
    device: torch.device,
    team: Team = ALONE,
) -> Job:
    recipe = spec["training"]
    strategy = spec["strategy_spec"]
    applied = strategies.apply(model, strategy["name"], strategy["params"], spec["seed"])
    model.to(device)
    objective = objectives.load(
        spec["objective_spec"]["name"], spec["objective_spec"]["params"], recipe["label_smoothing"]
    )
    label = "/".join(
        str(spec[key]) for key in ("dataset", "backbone", "strategy", "objective", "seed") if key in spec
    )
    return Job(
        model,
        applied,
        objective,
        train_set,
        validation_set,
        recipe,
        spec["probe_schedule"],
        spec["seed"],
        parts,
        label,
        robust_validation(spec["robust_validation"], validation_set, spec["data"]["split_seed"]),
        spec["snapshots"],
        team,
    )


def _split_settings(data: dict[str, Any], split: str) -> dict[str, Any]:
    return {
        "validation_share": data["validation_share"],
        "split_seed": data["split_seed"],
        "limit": data["limit"][split],
    }


def _drop_other_attempts(output: Path, mine: Path) -> None:
    """Remove what earlier attempts under other settings left: they cannot be continued."""
    for folder in output.glob("resume-*"):
        if folder != mine:
            shutil.rmtree(folder)


def _write_log(path: Path, state: State, digest: str) -> None:
    """Write the log as Parquet; its schema metadata says which run it is of."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(state.rows)
    about = {"identity": canonical_json({"digest": digest})}
    with whole_file(path) as temporary:
        pq.write_table(table.replace_schema_metadata(about), temporary)
