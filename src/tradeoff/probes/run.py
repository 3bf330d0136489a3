"""Probe a run: evaluate each of its snapshots, continuing after a kill, alone or in shards."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load, save
from torch import nn

from tradeoff import probes, snapshots, strategies
from tradeoff.attacks.oracle import Compute
from tradeoff.backbones import build
from tradeoff.data.packed import PackedDataset
from tradeoff.data.registry import split_reference
from tradeoff.data.splits import load_split
from tradeoff.devices import choose_device
from tradeoff.errors import UserError
from tradeoff.files import digest_of, sha256_of
from tradeoff.identity import hardware, versions
from tradeoff.locks import sole_worker
from tradeoff.params.epsilon import format_epsilon
from tradeoff.probes.flags import flags
from tradeoff.probes.measured import Measured, TestSet
from tradeoff.probes.results import write_table
from tradeoff.progress import Watch, watched
from tradeoff.seals import (
    check,
    check_weights,
    finished,
    read_sealed,
    read_sealed_bytes,
    recorded_sum,
    sums,
    write_sealed,
    write_sealed_bytes,
)
from tradeoff.tensor_files import write_arrays


@dataclass(frozen=True)
class Outputs:
    """Where the results go: the tidy table, per-sample outcomes, what it cost, and the record of all that."""

    table: Path
    outcomes: Path
    cost: Path

    @property
    def record(self) -> Path:
        return self.table.with_suffix(".record.json")


def probe_run(
    probe: dict[str, Any],
    digest: str,
    code: str,
    run: Path,
    weights: Path,
    data: dict[str, Path],
    outputs: Outputs,
    shard: tuple[int, int] = (0, 1),
    device: str = "auto",
    *,
    join: bool = True,
) -> None:
    """Evaluate every snapshot of a run and write the files of `outputs`.

    probe: the probe's settings (kind, its parameters, name, limit, compute). digest: of these settings and the
    run's; code: fingerprint of the probe's code; the table keeps both. run: the run's folder. weights: the
    backbone's. data: packed folders of the test sets by reference; the first is what an attack attacks. shard:
    (i, n) with n > 1 only evaluates each n-th snapshot from the i-th, and leaves the parts beside the table; so does
    `join=False` with all snapshots. A last call without them evaluates what is missing, if anything, and writes the
    files. device: see `devices.choose_device`. UserError when a test set has other classes than the run, or a file
    is missing or foreign.
    """
    about = read_sealed(run / "run.json")
    file = run / "snapshots.safetensors"
    check(file, recorded_sum(file, run / "run.json"))
    test_sets = _test_sets(data, about, probe["limit"])
    steps = snapshots.steps(file)
    identity = _identity(digest, code, about, data)
    parts = _Parts(outputs.table, identity)
    subject = _Subject(about, run, weights, choose_device(device, probe["compute"]["deterministic"]))
    chained = bool((probe.get("shortcuts") or {}).get("warm_start"))
    if chained and shard[1] > 1:
        raise UserError(
            f"shard {shard[0] + 1}/{shard[1]}",
            f"the probe {probe['name']} with warm_start, where each snapshot builds on the one before",
            "one job for all snapshots",
            "leave out --shard, or warm_start",
        )
    with sole_worker(outputs.table, shared=shard[1] > 1):
        if shard[1] == 1:
            parts.drop_other_attempts()
        parts.folder.mkdir(parents=True, exist_ok=True)
        todo = parts.missing_in_a_row(steps) if chained else parts.missing(steps[shard[0] :: shard[1]])
        kind, compute = probes.load(probe["kind"]), _compute(probe["compute"], subject.device)
        evaluated: Sequence[TestSet] = test_sets
        started = time.monotonic()
        if todo and hasattr(kind, "prepare"):
            evaluated = kind.prepare(test_sets, probe, parts.prepared)
        # Kept with the first snapshot measured after it, so that it is counted once for every job that prepared.
        preparing = time.monotonic() - started
        started = time.monotonic()
        for done, step in enumerate(todo, start=1):
            before = time.monotonic()
            if chained:
                evaluated = [replace(test_sets[0], hints=parts.hints_before(step, steps))]
            place = f"snapshot {steps.index(step) + 1}/{len(steps)} (step {step})"
            with watched(Watch(place)):
                measured = kind.evaluate(subject.at(step), evaluated, probe, compute)
            seconds = time.monotonic() - before
            parts.save(step, measured, seconds, preparing if done == 1 else 0.0)
            left = (time.monotonic() - started) / done * (len(todo) - done)
            print(f"{place}: {_progress(measured, seconds, left)}", flush=True)
        if shard[1] > 1 or not join:
            return
        _gather(parts, steps, test_sets, probe, identity, about, subject, outputs)
        parts.tidy()


def is_done(digest: str, code: str, run: Path, data: dict[str, Path], outputs: Outputs) -> bool:
    """Whether the files are there and whole, made of exactly what `probe_run` would be given now."""
    try:
        read_sealed(outputs.cost)
    except UserError:
        return False
    return finished(outputs.record, _identity(digest, code, read_sealed(run / "run.json"), data))


class _Subject:
    """A run's model at any of its snapshots."""

    def __init__(self, about: dict[str, Any], run: Path, weights: Path, device: torch.device) -> None:
        spec = about["spec"]
        strategy = spec["strategy_spec"]
        self.file = run / "snapshots.safetensors"
        self.metadata = snapshots.metadata(strategy, spec["backbone_spec"], check_weights(weights))
        self.model = build(spec["backbone_spec"], len(about["class_names"]), spec["seed"], weights)
        strategies.apply(self.model, strategy["name"], strategy["params"], spec["seed"])
        self.device = device
        self.model.to(self.device)

    def at(self, step: int) -> nn.Module:
        """Return the model as it was after `step` updates, what the strategy added folded in where it can be."""
        snapshots.load(self.model, self.file, step, self.metadata)
        return strategies.merged(self.model)


class _Parts:
    """Results of single snapshots, beside the table while the probe is unfinished.

    They are undeclared to the workflow, which would remove them when a job fails.
    """

    def __init__(self, table: Path, identity: dict[str, Any]) -> None:
        self.table = table
        self.folder = table.parent / f"{table.name}.parts-{digest_of(identity)[:16]}"
        self.prepared = self.folder / "prepared"

    def drop_other_attempts(self) -> None:
        """Remove parts of the same probe under other settings: they cannot be continued."""
        for folder in self.table.parent.glob(f"{self.table.name}.parts-*"):
            if folder != self.folder:
                shutil.rmtree(folder)

    def has(self, step: int) -> bool:
        """Say whether a step has a part; one that was damaged counts as missing."""
        try:
            self._read(step)
        except (FileNotFoundError, UserError):
            return False
        return True

    def missing(self, steps: list[int]) -> list[int]:
        """Return the steps that have no part yet."""
        return [step for step in steps if not self.has(step)]

    def missing_in_a_row(self, steps: list[int]) -> list[int]:
        """Return the steps from the first one on that has no part, or from the start without its hints."""
        done = sum(1 for _ in takewhile(self.has, steps))
        continues = done in (0, len(steps)) or self._hints(steps[done - 1]).exists()
        return steps[done:] if continues else steps

    def hints_before(self, step: int, steps: list[int]) -> np.ndarray | None:
        """Return what the snapshot before `step` left to start from; None for the first."""
        place = steps.index(step)
        if place == 0:
            return None
        before = self._hints(steps[place - 1])
        check(before, self._read(steps[place - 1])[1]["hints_sha256"])
        with safe_open(before, "numpy") as opened:
            hints: np.ndarray = opened.get_tensor("hints")
        return hints

    def save(self, step: int, measured: Measured, seconds: float, preparing: float) -> None:
        """Keep a snapshot's results, and its hints instead of those before: first, as parts promise them."""
        if measured.hints is not None:
            write_arrays(self._hints(step), {"hints": measured.hints}, {})
        about = {
            "rows": measured.rows,
            "diagnostics": measured.diagnostics,
            "metadata": measured.metadata,
            "seconds": seconds,
            "preparing": preparing,
            "hints_sha256": None if measured.hints is None else sha256_of(self._hints(step)),
        }
        arrays = {name: np.ascontiguousarray(array) for name, array in measured.outcomes.items()}
        write_sealed_bytes(self._file(step), save(arrays, {"about": json.dumps(about)}))
        for file in self.folder.glob("*.hints"):
            if file != self._hints(step):
                file.unlink()

    def tidy(self) -> None:
        """Leave the results alone: a job that is started again, its end not noted, finds them."""
        shutil.rmtree(self.prepared, ignore_errors=True)
        for file in self.folder.glob("*.hints"):
            file.unlink()

    def load(self, step: int) -> tuple[Measured, float, float]:
        """Return what `save` was given; UserError when the file was damaged since."""
        outcomes, about = self._read(step)
        measured = Measured(about["rows"], outcomes, about["diagnostics"], about["metadata"])
        return measured, about["seconds"], about["preparing"]

    def _read(self, step: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        content = read_sealed_bytes(self._file(step))
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        return load(content), json.loads(header["__metadata__"]["about"])

    def _hints(self, step: int) -> Path:
        return self.folder / f"{step:08d}.hints"

    def _file(self, step: int) -> Path:
        return self.folder / f"{step:08d}.safetensors"


def _gather(
    parts: _Parts,
    steps: list[int],
    test_sets: list[TestSet],
    probe: dict[str, Any],
    identity: dict[str, Any],
    about: dict[str, Any],
    subject: _Subject,
    outputs: Outputs,
) -> None:
    """Join the parts of all snapshots and write the results; the record, which names them, last."""
    loaded = [parts.load(step) for step in steps]
    rows = [
        {
            "step": step,
            "epoch": step / about["steps_per_epoch"],
            "domain": split_reference(row["test_set"])[1],
            "probe": probe["name"],
            **row,
        }
        for step, (measured, _, _) in zip(steps, loaded, strict=True)
        for row in measured.rows
    ]
    first = loaded[0][0]
    tensors = {
        name: np.stack([measured.outcomes[name] for measured, _, _ in loaded]) for name in first.outcomes
    }
    tensors["steps"] = np.array(steps, dtype=np.int64)
    # An attack has one test set; the others say which of theirs the samples belong to.
    plain = "first_failure" in tensors
    for test in test_sets[:1] if plain else test_sets:
        ending = "" if plain else f"/{test.reference}"
        tensors |= {f"ids{ending}": test.ids, f"labels{ending}": test.labels}
    suspicious = flags(rows, {step: m.diagnostics for step, (m, _, _) in zip(steps, loaded, strict=True)})
    for line in suspicious:
        print(f"suspicious: {line}")
    seconds = {str(step): taken for step, (_, taken, _) in zip(steps, loaded, strict=True)}
    preparing = sum(prepared for _, _, prepared in loaded)
    images = len(steps) * sum(map(len, first.outcomes.values()))
    write_sealed(
        outputs.cost,
        {
            "seconds": preparing + sum(seconds.values()),
            "seconds_preparing": preparing,
            "seconds_by_step": seconds,
            "images": images,
            "hardware": hardware(str(subject.device)),
        },
    )
    write_arrays(
        outputs.outcomes, tensors, first.metadata | {"identity": json.dumps(identity, sort_keys=True)}
    )
    write_table(outputs.table, rows, identity, suspicious)
    made = sums(outputs.table.parent, (outputs.table.name, outputs.outcomes.name))
    write_sealed(outputs.record, identity | {"versions": versions(), "sha256": made})


def _identity(digest: str, code: str, about: dict[str, Any], data: dict[str, Path]) -> dict[str, Any]:
    """What the result depends on: the probe's settings, the run as it was made, and the test images."""
    return {
        "probe_digest": digest,
        "probe_code": code,
        "run_digest": about["digest"],
        "run_code": about["code"],
        "snapshots_sha256": about["sha256"]["snapshots.safetensors"],
        "weights_sha256": about["weights_sha256"],
        "data_digests": {reference: PackedDataset.open(folder).digest for reference, folder in data.items()},
    }


def _test_sets(data: dict[str, Path], about: dict[str, Any], limit: int | None) -> list[TestSet]:
    """Load the test images of every reference, after checking that its classes are the run's."""
    settings = about["spec"]["data"]
    test_sets = []
    for reference, folder in data.items():
        names = list(PackedDataset.open(folder).class_names)
        if names != list(about["class_names"]):
            raise UserError(
                f"test set {reference}",
                f"the classes {_some(names)}",
                f"those of the run's dataset, {_some(about['class_names'])}, in the same order",
                "test only on datasets of the same classes",
            )
        split = load_split(
            folder,
            split_reference(reference)[1],
            "test",
            validation_share=settings["validation_share"],
            split_seed=settings["split_seed"],
            limit=limit,
        )
        test_sets.append(TestSet(reference, np.asarray(split.images), split.labels, split.ids))
    return test_sets


def _compute(settings: dict[str, Any], device: torch.device) -> Compute:
    backend = "inductor" if settings["compile"] and device.type == "cuda" else None
    if settings["compile"] and backend is None:
        print("compute.compile: left out on the CPU, where it does not pay", flush=True)
    return Compute(settings["batch_size"], settings["precision"], settings["channels_last"], backend)


def _progress(measured: Measured, seconds: float, left: float) -> str:
    shares = ", ".join(
        f"{row['correct'] / row['n']:.3f} {_where(row, measured)}" for row in measured.rows[:3]
    )
    images = sum(map(len, measured.outcomes.values()))
    return f"{shares}; {images / seconds:.0f} images/s, {left / 60:.1f} min left"


def _where(row: dict[str, Any], measured: Measured) -> str:
    if row["epsilon"] == 0:
        return f"clean on {row['test_set']}"
    if row.get("severity"):
        return f"under {row['threat']} {row['severity']}"
    return f"under {row['threat']} {format_epsilon(row['epsilon'])}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" ... ({len(names)})" if len(names) > 5 else "")
