"""Results folders of made-up studies: what the probes would have written, with the science made up."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from tradeoff.files import digest_of, write_json
from tradeoff.probes.results import wilson

SEVEN = ("full", "linear", "bitfit", "lora", "adapter", "compacter", "ia3")
STEPS = (0, 10, 20, 40, 80, 160, 320, 640)
MADE_WITH = {"run_code": "c0de", "weights_sha256": "5ha"}
COST = {"images": 1_000, "hardware": {"processor": "a processor", "cores": 2, "device": "cpu"}}
EPSILONS = (1 / 255, 4 / 255, 8 / 255)


def write_study(
    root: Path,
    *,
    datasets: Sequence[str] = ("digits",),
    strategies: Sequence[str] = SEVEN,
    variants: Sequence[str] = ("",),
    backbones: Sequence[str] = ("tiny_vit",),
    objectives: Sequence[str] = ("standard",),
    seeds: Sequence[int] = (0,),
    epsilons: Sequence[float] = EPSILONS,
    n: int = 300,
    shifts: Sequence[str] = ("typeset_digits",),
    steps: Sequence[int] = STEPS,
) -> dict[str, Any]:
    """Write study.json, backbones/, runs/ and probes/ below `root`; return the study.

    Each strategy rises to an accuracy of its own; robustness rises early and falls later.
    """
    probes: dict[str, Any] = {"pgd": {"kind": "attack", "epsilons": list(epsilons)}}
    if shifts:
        probes["shift"] = {"kind": "shift"}
    for backbone in backbones:
        write_json(root / "backbones" / backbone / "backbone.json", {"sha256": MADE_WITH["weights_sha256"]})
    runs = []
    for index, (dataset, backbone, objective, seed) in enumerate(
        (d, b, o, s) for d in datasets for b in backbones for o in objectives for s in seeds
    ):
        for place, family in enumerate(strategies):
            for number, variant in enumerate(variants):
                strategy = f"{family}-{variant.replace(' ', '')}" if variant else family
                name = f"{dataset}/{backbone}/{strategy}/{objective}/seed{seed}"
                run: dict[str, Any] = {
                    "run": name,
                    "dataset": dataset,
                    "backbone": backbone,
                    "strategy": strategy,
                    "family": family,
                }
                run |= {"variant": variant, "objective": objective, "seed": seed, "digest": digest_of(name)}
                run["probes"] = {probe: digest_of([name, probe]) for probe in probes}
                run["data"] = str(root / "packed" / dataset)
                runs.append(run)
                noise = np.random.default_rng([index, place, number])
                level = 0.98 - 0.06 * place / len(strategies) * 3 - 0.05 * index - 0.02 * number
                _write_run(root, run, list(steps), place, noise)
                _write_probes(root, run, list(steps), list(epsilons), n, level, place, noise, shifts)
    params = {
        "study": {"name": root.name, "title": "Made-up study", "probes": list(probes)},
        "probes": probes,
        "tradeoff": {
            "headline": None,
            "expected_up_to": None,
            "bootstrap": 200,
            "bootstrap_seed": 0,
            "confidence": 0.95,
        },
    }
    study = {"study": {"name": root.name, "title": "Made-up study"}, "params": params, "runs": runs}
    write_json(root / "study.json", study)
    return study


def _write_run(
    root: Path, run: dict[str, Any], steps: list[int], place: int, noise: np.random.Generator
) -> None:
    about = {"digest": run["digest"], "code": "c0de", "weights_sha256": "5ha", "data_digest": "da7a"}
    about |= {"parameters": {"trainable": 1_000 * (place + 1), "total": 100_000}}
    about |= {"versions": {"python": "3.11", "torch": "2.9"}}
    write_json(root / "runs" / run["run"] / "run.json", about)
    write_json(root / "runs" / run["run"] / "cost.json", {"train_seconds": 60.5, **COST})
    log = list(range(1, steps[-1] + 1))
    loss = 2.3 * np.exp(-np.array(log) / (60 + 30 * place)) + 0.02 + 0.05 * noise.random(len(log))
    accuracy = [1 - value / 2.4 if step in steps else None for step, value in zip(log, loss, strict=True)]
    table = {
        "step": log,
        "epoch": [step / 20 for step in log],
        "loss": loss,
        "learning_rate": [1e-3] * len(log),
        "epsilon": [0.0] * len(log),
        "validation_accuracy": accuracy,
    }
    metadata = {"identity": json.dumps({"digest": run["digest"]})}
    pq.write_table(pa.table(table, metadata=metadata), root / "runs" / run["run"] / "training.parquet")


def _write_probes(
    root: Path,
    run: dict[str, Any],
    steps: list[int],
    epsilons: list[float],
    n: int,
    level: float,
    place: int,
    noise: np.random.Generator,
    shifts: Sequence[str],
) -> None:
    folder = root / "probes" / run["run"]
    folder.mkdir(parents=True, exist_ok=True)
    hardness = np.random.default_rng(7).random(n)
    progress = np.array(steps) / steps[-1]
    skill = level * (1 - 0.9 * np.exp(-progress * (30 - 2 * place)))
    reach = 10 / 255 * (1.5 * np.exp(-progress * (3 + place % 4)) + 0.1 + 0.04 * place)
    margin = (
        (skill[:, None] - hardness + 0.03 * noise.standard_normal((len(steps), n))) * reach[:, None] / 0.6
    )
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
    metadata = {"epsilons": json.dumps(epsilons), "identity": json.dumps(_identity(run, "pgd"))}
    save_file(tensors, folder / "pgd.outcomes.safetensors", metadata)
    rows = [
        (step, run["dataset"], "pgd", "pgd linf", epsilon, int((failure[place_] > index).sum()))
        for place_, step in enumerate(steps)
        for index, epsilon in enumerate([0.0, *epsilons])
    ]
    _write_probe(folder / "pgd.parquet", run, "pgd", rows, n)
    if shifts:
        shifted = [
            (step, test_set, "shift", "", 0.0, int((margin[row] > 0.002 * number).sum()))
            for row, step in enumerate(steps)
            for number, test_set in enumerate([run["dataset"], *shifts])
        ]
        _write_probe(folder / "shift.parquet", run, "shift", shifted, n)
        metadata = {"identity": json.dumps(_identity(run, "shift"))}
        save_file({"steps": np.array(steps)}, folder / "shift.outcomes.safetensors", metadata)


def _identity(run: dict[str, Any], probe: str) -> dict[str, Any]:
    return {"probe_digest": run["probes"][probe], "run_digest": run["digest"], **MADE_WITH}


def _write_probe(path: Path, run: dict[str, Any], probe: str, rows: list[tuple[Any, ...]], n: int) -> None:
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
        "n": [n] * len(step),
        "correct": correct,
        "accuracy": np.array(correct) / n,
        "low": low,
        "high": high,
    }
    flags = ["step 0: made up"] if run["strategy"] == "ia3" and probe == "pgd" else []
    metadata = {"identity": json.dumps(_identity(run, probe)), "flags": json.dumps(flags)}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    write_json(path.with_name(f"{probe}.cost.json"), {"seconds": 12.25, **COST})
