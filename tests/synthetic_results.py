"""Results folders of made-up studies: what the probes would have written, with the science made up."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from tradeoff.corruptions import COMMON
from tradeoff.data import registry
from tradeoff.data.packed import PackedDataset
from tradeoff.data.registry import split_reference
from tradeoff.files import digest_of
from tradeoff.params.epsilon import parse_epsilon
from tradeoff.probes.results import wilson
from tradeoff.seals import read_sealed, sums, write_sealed
from tradeoff.variants import Variant
from tradeoff.variants import variants as swept

SEVEN = ("full", "linear", "bitfit", "lora", "adapter", "compacter", "ia3")
STEPS = (0, 10, 20, 40, 80, 160, 320, 640)
WEIGHTS, SNAPSHOTS, DATA_DIGEST = b"weights", b"snapshots", "da7a"
MADE_WITH = {
    "run_code": "c0de",
    "weights_sha256": hashlib.sha256(WEIGHTS).hexdigest(),
    "snapshots_sha256": hashlib.sha256(SNAPSHOTS).hexdigest(),
}
BACKBONE = {"digest": digest_of("backbone"), "code": "c0de"}
COST = {"images": 1_000, "hardware": {"processor": "a processor", "cores": 2, "device": "cpu"}}
EPSILONS = (1 / 255, 4 / 255, 8 / 255)
GRID = tuple(k / 255 for k in range(1, 9))
# Robust objectives as params have them, both ε_g each; T1 and T2 of a schedule are a sweep of their own.
ROBUST: dict[str, dict[str, Any]] = {
    family: {"epsilon": "4/255", "sweep": {"epsilon": ["4/255", "8/255"]}}
    for family in ("rft_fix", "rft_sched", "rft_warmup", "rft_uniform", "rft_auto", "rft_switch", "trades")
}
ROBUST["rft_sched"] |= {"t1": 0.25, "t2": 0.75}
ROBUST["rft_switch"] |= {"at": 0.5}
RAMPS = {"epsilon": ["4/255", "8/255"], "t1": [0.1, 0.25], "t2": [0.25, 0.75, 1.0]}
# How well each objective adapts when ε_g is large, and how much of its robustness it gets.
ADAPTS = {"rft_fix": (0.35, 1.0), "rft_sched": (0.85, 0.9), "rft_warmup": (0.6, 0.95), "rft_auto": (0.8, 0.8)}


def write_study(
    root: Path,
    *,
    datasets: Sequence[str] = ("digits",),
    strategies: Sequence[str] = SEVEN,
    variants: Mapping[str, Sequence[str]] = {},
    backbones: Sequence[str] = ("tiny_vit",),
    objectives: Sequence[str] = ("standard",),
    seeds: Sequence[int] = (0,),
    epsilons: Sequence[float] = EPSILONS,
    n: int = 300,
    shifts: Sequence[str] = ("typeset_digits",),
    corruptions: Sequence[str] = COMMON,
    steps: Sequence[int] = STEPS,
    sections: dict[str, dict[str, Any]] = ROBUST,
    attacks: Sequence[str] = ("pgd",),
    epochs: int = 16,
    data: str = "",
) -> dict[str, Any]:
    """Write study.json, backbones/, runs/ and probes/ below `root`; return the study.

    Each strategy rises to an accuracy of its own; robustness rises early and falls later. Under a robust objective
    accuracy rises later and less far, more so at a larger ε_g, and robustness stays.
    variants: of the strategies that are swept. objectives: names of `sections` (of params), each of which may sweep.
    attacks: attack probes, called as the attack.
    epochs: what study.json says of them; logs have sixteen. data: where a dataset {} lies packed, if it does.
    """
    probes: dict[str, Any] = {
        attack: {"kind": "attack", "attack": attack, "norm": "linf", "epsilons": list(epsilons)}
        for attack in attacks
    }
    if shifts:
        probes["shift"] = {"kind": "shift"}
    if corruptions:
        probes["common"] = {"kind": "corruption", "corruptions": list(corruptions)}
    for backbone in backbones:
        folder = root / "backbones" / backbone
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(WEIGHTS)
        about = BACKBONE | {"spec": {}, "source": "made up", "versions": {"python": "3.11"}}
        write_sealed(folder / "backbone.json", about | {"sha256": sums(folder, ["weights.safetensors"])})
    runs = []
    chosen = [one for name in objectives for one in swept(name, sections.get(name, {}))]
    for index, (dataset, backbone, objective, seed) in enumerate(
        (d, b, o, s) for d in datasets for b in backbones for o in chosen for s in seeds
    ):
        for place, family in enumerate(strategies):
            for number, variant in enumerate(variants.get(family, ("",))):
                strategy = f"{family}-{variant.replace(' ', '')}" if variant else family
                name = f"{dataset}/{backbone}/{strategy}/{objective.name}/seed{seed}"
                run: dict[str, Any] = {
                    "run": name,
                    "dataset": dataset,
                    "backbone": backbone,
                    "strategy": strategy,
                    "family": family,
                }
                run |= {"variant": variant, "objective": objective.name, "objective_family": objective.family}
                run |= {"objective_epsilon": _budget(objective), "seed": seed, "epochs": epochs}
                run["digest"] = digest_of(name)
                run["probes"] = {probe: digest_of([name, probe]) for probe in probes}
                run |= {"code": "c0de", "probe_code": dict.fromkeys(probes, "c0de")}
                run["data"] = data.format(dataset) if data else str(root / "packed" / dataset)
                runs.append(run)
                noise = np.random.default_rng([index, place, number])
                cell = datasets.index(dataset) + backbones.index(backbone) + seed
                level = 0.98 - 0.06 * place / len(strategies) * 3 - 0.03 * cell - 0.02 * number
                level *= _adaptation(objective)
                _write_run(root, run, list(steps), place, noise, objective, level)
                # All probes of a run see the same images: they agree on which are misclassified without attack.
                margin = _margins(run, list(steps), n, level, place, noise)
                for attack in attacks:
                    _write_attack(root, run, attack, list(steps), list(epsilons), margin)
                if shifts:
                    _write_shift(root, run, list(steps), margin, shifts)
                if corruptions:
                    _write_corruptions(root, run, list(steps), margin, list(corruptions))
    params = {
        "study": {"name": root.name, "title": "Made-up study", "probes": list(probes)},
        "probes": probes,
        "objectives": {name: sections.get(name, {}) for name in objectives},
        "training": {"epochs": epochs},
        "backbones": {
            name: {"model": f"{name}_patch16", "image_size": 32, "weights": {"file": f"{name}.safetensors"}}
            for name in backbones
        },
        "tradeoff": {
            "headline": None,
            "expected_up_to": None,
            "onset_accuracy": 0.05,
            "bootstrap": 200,
            "bootstrap_seed": 0,
            "confidence": 0.95,
        },
    }
    study = {"study": {"name": root.name, "title": "Made-up study"}, "params": params, "runs": runs}
    study["backbones"] = dict.fromkeys(backbones, BACKBONE)
    study["tasks"] = [
        _write_task(root, dataset, backbone, data, number)
        for number, (dataset, backbone) in enumerate((d, b) for d in datasets for b in backbones)
        if len(datasets) > 2
    ]
    study["datasets"] = {split_reference(run["dataset"])[0]: _data(run) for run in runs}
    study["titles"] = {
        name: registry.source(name, {}).title for name in study["datasets"] if name in registry.DATASETS
    }
    write_sealed(root / "study.json", study)
    for run in runs:
        seal_run(root, run)
    return study


def _write_task(root: Path, dataset: str, backbone: str, data: str, number: int) -> dict[str, Any]:
    """task.json, of a dataset that is the harder the later it stands; return what study.json says of it.

    Of every other backbone the upstream data are not known.
    """
    name = f"{dataset}/{backbone}"
    packed = data.format(dataset) if data else str(root / "packed" / dataset)
    task = {"task": name, "dataset": dataset, "backbone": backbone, "digest": digest_of(name)}
    task |= {"data": packed, "code": "c0de"}
    noise = np.random.default_rng([5, number])
    about = {"digest": task["digest"], "code": "c0de", "weights_sha256": MADE_WITH["weights_sha256"]}
    about |= {"data_digests": {dataset: _data_digest(task)}, "versions": {"python": "3.11"}}
    about |= {"spec": {"upstream": "glyphs"}, "images": 2000, "classes": 10 + number}
    about |= {"separability": 0.8 - 0.05 * number, "neighbour_accuracy": 0.9 - 0.06 * number}
    about |= {"similarity": 0.7 + 0.02 * noise.standard_normal()}
    write_sealed(root / "tasks" / name / "task.json", about)
    return task


def seal_run(root: Path, run: dict[str, Any]) -> None:
    """Write the records of a run and of its probes anew, from the files as they are."""
    folder = root / "runs" / run["run"]
    record = read_sealed(folder / "run.json")
    (folder / "snapshots.safetensors").write_bytes(SNAPSHOTS)
    made = sums(folder, ["training.parquet", "snapshots.safetensors"])
    write_sealed(folder / "run.json", record | {"sha256": made})
    for probe in run["probes"]:
        folder = root / "probes" / run["run"]
        made = sums(folder, [f"{probe}.parquet", f"{probe}.outcomes.safetensors"])
        write_sealed(
            folder / f"{probe}.record.json", _identity(run, probe) | {"versions": {}, "sha256": made}
        )


def _data_digest(run: dict[str, Any]) -> str:
    packed = Path(run["data"])
    return PackedDataset.open(packed).digest if packed.exists() else DATA_DIGEST


def _data(run: dict[str, Any]) -> dict[str, Any]:
    """What study.json says of the making of a run's data: what they say themselves, where they are there."""
    packed = Path(run["data"])
    if not packed.exists():
        return {"definition_digest": digest_of({}), "code": "c0de", "packing_code": "c0de"}
    about = read_sealed(packed / "manifest.json")
    source = {key: about["source"].get(key) for key in ("definition_digest", "code")}
    return source | {"packing_code": about.get("code")}


def _budget(objective: Variant) -> float:
    return parse_epsilon(objective.params.get("epsilon", 0))


def _adaptation(objective: Variant) -> float:
    """The share of its accuracy that a run reaches; of schedules, one with a late and slow ramp reaches most."""
    reached, _ = ADAPTS.get(objective.family, (0.5, 0.9))
    if objective.family == "rft_sched":
        reached -= 0.3 * (1 - float(objective.params["t2"])) + (
            0.5 if objective.params["t2"] == objective.params["t1"] else 0
        )
    return 1 - (1 - max(reached, 0.02)) * _budget(objective) * 255 / 8


def _write_run(
    root: Path,
    run: dict[str, Any],
    steps: list[int],
    place: int,
    noise: np.random.Generator,
    objective: Variant,
    level: float,
) -> None:
    """run.json, and a log with a validation at the end of every epoch: a sixteenth of training."""
    about = {"digest": run["digest"], "code": "c0de", "weights_sha256": MADE_WITH["weights_sha256"]}
    about |= {"data_digest": _data_digest(run), "spec": {}}
    about |= {"parameters": {"trainable": 1_000 * (place + 1), "total": 100_000}}
    about |= {"strategy": {"place": f"where {run['family']} acts", "mechanism": "as it does"}}
    about |= {"versions": {"python": "3.11", "torch": "2.9"}}
    write_sealed(root / "runs" / run["run"] / "run.json", about)
    write_sealed(root / "runs" / run["run"] / "cost.json", {"train_seconds": 60.5, "processes": 2, **COST})
    log = np.arange(1, steps[-1] + 1)
    in_epoch = max(1, steps[-1] // 16)
    epoch = log / in_epoch
    budget = run["objective_epsilon"]
    share = {"rft_sched": np.clip(epoch / 16 * 2 - 0.5, 0, 1), "rft_warmup": np.clip(epoch / 12, 0, 1)}
    epsilon = budget * share.get(run["objective_family"], np.ones(len(log)))
    if run["objective_family"] == "rft_uniform":
        epsilon = budget * np.random.default_rng(3).random(17)[np.ceil(epoch).astype(int)]
    delay = 6 * budget * 255 / 8 * (1 - ADAPTS.get(run["objective_family"], (0.5, 0.9))[0])
    rise = level * np.clip(1 - np.exp(-(epoch - delay) / 3), 0.02, None)
    loss = 2.3 * np.exp(-epoch / (2 + place)) + 0.02 + 0.05 * noise.random(len(log))
    ends = log % in_epoch == 0
    measured = {
        "validation_accuracy": rise,
        "validation_loss": 2.3 * (1 - rise) + 0.1,
        "validation_robust_accuracy": rise * (0.25 + 0.5 * epsilon / (budget or 1)),
        "validation_robust_loss": 2.3 * (1 - rise / 2) + 0.1,
        "validation_epsilon": np.full(len(log), budget),
        "validation_loss_error": np.full(len(log), 0.08),
        "validation_n": np.full(len(log), 200.0),
        "validation_robust_loss_error": np.full(len(log), 0.1),
        "validation_robust_n": np.full(len(log), 100.0),
    }
    table: dict[str, Any] = {
        "step": log,
        "epoch": epoch,
        "loss": loss,
        "learning_rate": np.full(len(log), 1e-3),
        "epsilon": epsilon,
    }
    for name, values in measured.items():
        attacked = name == "validation_epsilon" or "robust" in name
        kept = ends & ((budget > 0) | (not attacked))
        table[name] = pa.array(values, mask=~kept)
    metadata = {"identity": json.dumps({"digest": run["digest"]})}
    pq.write_table(pa.table(table, metadata=metadata), root / "runs" / run["run"] / "training.parquet")


def _margins(
    run: dict[str, Any], steps: list[int], n: int, level: float, place: int, noise: np.random.Generator
) -> np.ndarray:
    """The smallest perturbation that fools each sample at each snapshot, (snapshots, n); below 0: misclassified."""
    hardness = np.random.default_rng(7).random(n)
    progress = np.array(steps) / steps[-1]
    skill = level * (1 - 0.9 * np.exp(-progress * (30 - 2 * place)))
    reach = 10 / 255 * (1.5 * np.exp(-progress * (3 + place % 4)) + 0.1 + 0.04 * place)
    if run["objective_epsilon"]:
        reach += run["objective_epsilon"] * ADAPTS.get(run["objective_family"], (0.5, 0.9))[1]
    jitter = 0.03 * noise.standard_normal((len(steps), n))
    margins: np.ndarray = (skill[:, None] - hardness + jitter) * reach[:, None] / 0.6
    return margins


def _write_attack(
    root: Path,
    run: dict[str, Any],
    probe: str,
    steps: list[int],
    epsilons: list[float],
    margin: np.ndarray,
) -> None:
    folder = root / "probes" / run["run"]
    folder.mkdir(parents=True, exist_ok=True)
    n = margin.shape[1]
    failure = np.full((len(steps), n), 255, dtype=np.uint8)
    for index in range(len(epsilons), 0, -1):
        failure[margin < epsilons[index - 1]] = index
    failure[margin < 0] = 0
    tensors = {
        "first_failure": failure,
        "steps": np.array(steps),
        "ids": np.arange(n),
        "labels": np.arange(n) % 10,
    }
    metadata = {"epsilons": json.dumps(epsilons), "identity": json.dumps(_identity(run, probe))}
    save_file(tensors, folder / f"{probe}.outcomes.safetensors", metadata)
    rows = [
        (step, run["dataset"], probe, f"{probe} linf", epsilon, int((failure[place_] > index).sum()))
        for place_, step in enumerate(steps)
        for index, epsilon in enumerate([0.0, *epsilons])
    ]
    _write_probe(folder / f"{probe}.parquet", run, probe, rows, n)


def _write_shift(
    root: Path,
    run: dict[str, Any],
    steps: list[int],
    margin: np.ndarray,
    shifts: Sequence[str],
) -> None:
    folder = root / "probes" / run["run"]
    shifted = [
        (step, test_set, "shift", "", 0.0, int((margin[row] >= 0.002 * number).sum()))
        for row, step in enumerate(steps)
        for number, test_set in enumerate([run["dataset"], *shifts])
    ]
    _write_probe(folder / "shift.parquet", run, "shift", shifted, margin.shape[1])
    metadata = {"identity": json.dumps(_identity(run, "shift"))}
    save_file({"steps": np.array(steps)}, folder / "shift.outcomes.safetensors", metadata)


def _write_corruptions(
    root: Path, run: dict[str, Any], steps: list[int], margin: np.ndarray, corruptions: list[str]
) -> None:
    folder = root / "probes" / run["run"]
    conditions = [("none", 0.0, None, 0.0)]
    conditions += [
        (name, None, severity, 0.001 * severity * (1 + place % 5))
        for place, name in enumerate(corruptions)
        for severity in (1, 3, 5)
    ]
    rows = [
        (step, run["dataset"], "common", name, epsilon, int((margin[place] >= least).sum()))
        for place, step in enumerate(steps)
        for name, epsilon, _, least in conditions
    ]
    severities = [severity for _ in steps for _, _, severity, _ in conditions]
    _write_probe(folder / "common.parquet", run, "common", rows, margin.shape[1], severities)
    metadata = {"identity": json.dumps(_identity(run, "common"))}
    save_file({"steps": np.array(steps)}, folder / "common.outcomes.safetensors", metadata)


def _identity(run: dict[str, Any], probe: str) -> dict[str, Any]:
    made = {
        "probe_digest": run["probes"][probe],
        "run_digest": run["digest"],
        **MADE_WITH,
        "probe_code": "c0de",
    }
    shifted = {"typeset_digits": "5if7"} if probe == "shift" else {}
    return made | {"data_digests": {run["dataset"]: _data_digest(run)} | shifted}


def _write_probe(
    path: Path,
    run: dict[str, Any],
    probe: str,
    rows: list[tuple[Any, ...]],
    n: int,
    severities: Sequence[int | None] = (),
) -> None:
    step, test_set, name, threat, epsilon, correct = zip(*rows, strict=True)
    low, high = zip(*(wilson(count, n) for count in correct), strict=True)
    columns = {
        "step": step,
        "epoch": [value / 20 for value in step],
        "test_set": test_set,
        "domain": [None] * len(step),
        "probe": name,
        "threat": threat,
        "epsilon": epsilon,
        "severity": pa.array(severities or [None] * len(step), pa.int64()),
        "n": [n] * len(step),
        "correct": correct,
        "accuracy": np.array(correct) / n,
        "low": low,
        "high": high,
        "audited": pa.nulls(len(step), pa.int64()),
        "disagreed": pa.nulls(len(step), pa.int64()),
    }
    metadata = {b"identity": json.dumps(_identity(run, probe)).encode(), b"flags": b"[]"}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    write_sealed(path.with_name(f"{probe}.cost.json"), {"seconds": 12.25, **COST})
