"""How fast fine-tuning is, and how much memory it takes, beside HF's Trainer with AdapterHub's modules.

    python -m benchmarks.training --json training.json [--strategies full,lora] [--repeats 3] [--steps 8]
        [--size tiny] [--batch-size 32] [--threads 1] [--peer .venv-adapterhub/bin/python]

Every strategy trains on the same ViT, batch size, image size and number of threads here and there, fp32 on the
CPU, images decoded in memory, without evaluations, logs or snapshots in the timed steps, which come after warm-up
steps. Each measurement is a process of its own; ours and theirs take turns, each going first in half of the
repeats. Numbers are medians over repeats, ratios medians of the ratios of neighbours, so that a machine which
others use too disturbs them least. Linear probing here computes the features once: the column of --epochs says
what becomes of its ratio when that is counted.
Prints a Markdown table.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.workers import StepClock, Worker, memory_now, peak_memory, serve

STRATEGIES = ("full", "linear", "bitfit", "lora", "adapter", "compacter", "ia3")
SIZES = {
    "tiny": {"width": 256, "depth": 6, "heads": 4, "image_size": 64, "patch_size": 8},
    "small": {"width": 384, "depth": 12, "heads": 6, "image_size": 224, "patch_size": 16},
    "base": {"width": 768, "depth": 12, "heads": 12, "image_size": 224, "patch_size": 16},
}
CLASSES = 10
TARGETS = dict.fromkeys(STRATEGIES, 1.3) | {"linear": 20.0}

Answers = list[tuple[dict[str, Any], dict[str, Any]]]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Time fine-tuning beside HF's Trainer and AdapterHub.")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8, help="timed steps of each measurement")
    parser.add_argument("--warmup", type=int, default=2, help="steps before them")
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=20, help="over which features are computed once")
    parser.add_argument("--peer", default=".venv-adapterhub/bin/python", help="the Python of the other side")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.worker:
        serve(measurer())
        return
    started, load = time.time(), os.getloadavg()
    here = Path(__file__)
    ours = Worker([sys.executable, "-m", "benchmarks.training", "--worker"], arguments.threads)
    theirs = Worker([arguments.peer, str(here.with_name("training_peer.py"))], arguments.threads)
    names = arguments.strategies.split(",")
    answers: dict[str, Answers] = {name: [] for name in names}
    for repeat in range(arguments.repeats):
        for name in names:
            pair = take_turns(ours, theirs, request_for(name, arguments), ours_first=repeat % 2 == 0)
            answers[name].append(pair)
            print(f"{repeat + 1}/{arguments.repeats} {name}: {_line(pair)}", file=sys.stderr, flush=True)
    ours.stop()
    theirs.stop()
    rows = {name: summary(name, pairs, arguments.epochs) for name, pairs in answers.items()}
    print(table(rows, arguments.epochs))
    if arguments.json:
        about = {"cores": os.cpu_count(), "load": [load, os.getloadavg()], "seconds": time.time() - started}
        options = {
            key: value for key, value in vars(arguments).items() if key not in ("json", "peer", "worker")
        }
        report = {"options": options, "machine": about, "strategies": rows, "answers": answers}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


def request_for(strategy: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what both sides are asked to train: the published recipe (full or not), on so many steps."""
    full = strategy == "full"
    return {
        "strategy": strategy,
        "vit": SIZES[arguments.size],
        "classes": CLASSES,
        "batch_size": arguments.batch_size,
        "warmup": arguments.warmup,
        "steps": arguments.steps,
        "threads": arguments.threads,
        "learning_rate": 2e-5 if full else 5e-3,
        "weight_decay": 0.01 if full else 0.0,
        "schedule": "linear" if full else "cosine",
    }


def take_turns(
    ours: Worker, theirs: Worker, request: dict[str, Any], *, ours_first: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return our answer and theirs; RuntimeError when they do not train as many parameters."""
    order = (ours, theirs) if ours_first else (theirs, ours)
    found = [worker.ask(request) for worker in order]
    mine, other = found if ours_first else reversed(found)
    if mine["trained"] != other["trained"]:
        raise RuntimeError(f"{request['strategy']}: {mine['trained']} parameters against {other['trained']}")
    return mine, other


def summary(strategy: str, pairs: Answers, epochs: int) -> dict[str, Any]:
    """Return medians over the repeats: times and memory of both sides, and ratios (theirs by ours for times).

    over_epochs: the ratio of times when `epochs` epochs share what is computed once before the first step.
    """

    def median(key: str) -> list[float]:
        return [statistics.median(pair[side][key] for pair in pairs) for side in (0, 1)]

    speedups = [theirs["seconds"] / mine["seconds"] for mine, theirs in pairs]
    processor = [theirs["processor_seconds"] / mine["processor_seconds"] for mine, theirs in pairs]
    seconds, peaks = median("seconds"), median("peak")
    increases = [statistics.median(p[side]["peak"] - p[side]["before"] for p in pairs) for side in (0, 1)]
    return {
        "steps_per_second": [1 / taken for taken in seconds],
        "speedup": statistics.median(speedups),
        "speedup_range": [min(speedups), max(speedups)],
        "processor_seconds": median("processor_seconds"),
        "processor_speedup": statistics.median(processor),
        "processor_range": [min(processor), max(processor)],
        "target": TARGETS[strategy],
        "features_seconds": statistics.median(mine["features_seconds"] for mine, _ in pairs),
        "over_epochs": statistics.median(
            theirs["seconds"] / (mine["seconds"] + mine["features_seconds"] / epochs)
            for mine, theirs in pairs
        ),
        "peak": peaks,
        "peak_ratio": peaks[0] / peaks[1],
        "increase": increases,
        "increase_ratio": increases[0] / increases[1],
    }


def table(rows: dict[str, dict[str, Any]], epochs: int) -> str:
    """Return the rows as Markdown: steps per second, ratios, and memory in MiB."""
    head = [
        "Strategy",
        "ours, steps/s",
        "HF, steps/s",
        "ratio [lowest, highest]",
        "processor, s a step, ours / HF",
        "ratio [lowest, highest]",
        "features, s per batch",
        f"ratio over {epochs} epochs",
        "peak, MiB, ours / HF",
        "ratio",
        "of it training, ours / HF",
        "ratio",
    ]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, row in rows.items():
        low, high = row["speedup_range"]
        features = row["features_seconds"]
        lines.append(
            [
                name,
                *(f"{speed:.3g}" for speed in row["steps_per_second"]),
                f"{row['speedup']:.2f} [{low:.2f}, {high:.2f}]",
                " / ".join(f"{taken:.3f}" for taken in row["processor_seconds"]),
                "{:.2f} [{:.2f}, {:.2f}]".format(row["processor_speedup"], *row["processor_range"]),
                f"{features:.3f}" if features else "–",
                f"{row['over_epochs']:.2f}",
                " / ".join(f"{peak:.0f}" for peak in row["peak"]),
                f"{row['peak_ratio']:.2f}",
                " / ".join(f"{increase:.0f}" for increase in row["increase"]),
                f"{row['increase_ratio']:.2f}",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(pair: tuple[dict[str, Any], dict[str, Any]]) -> str:
    mine, theirs = pair
    ratio = theirs["seconds"] / mine["seconds"]
    return f"{mine['seconds']:.4f} and {theirs['seconds']:.4f} s a step, ratio {ratio:.2f}"


def measurer() -> Any:
    """Import our side; return the function that trains as a request says, with our loop as it is."""
    import numpy as np
    import torch

    from tradeoff import objectives, runs, strategies, training
    from tradeoff.backbones import build
    from tradeoff.data.splits import Split

    assert runs.train is training.train  # what `fine_tune` imports, this has imported
    build(backbone(SIZES["tiny"]), CLASSES, 0, None)  # timm is imported by the first

    def split(images: int, size: int) -> Split:
        random = np.random.default_rng(0)
        pixels = random.integers(0, 256, (images, 3, size, size), dtype=np.uint8)
        return Split(pixels, random.integers(0, CLASSES, images), np.arange(images))

    def measure(request: dict[str, Any]) -> dict[str, Any]:
        torch.set_num_threads(request["threads"])
        batch, steps = request["batch_size"], request["warmup"] + request["steps"] + 1
        size = request["vit"]["image_size"]
        model = build(backbone(request["vit"]), request["classes"], 0, None)
        applied = strategies.apply(model, request["strategy"], {}, 0)
        clock, features = StepClock(request["warmup"], steps - 1), 0.0
        update, compute_features = training._update, training._features

        def timed_update(*given: Any) -> Any:
            clock.tick()
            return update(*given)

        def timed_features(*given: Any) -> Any:
            nonlocal features
            before = time.perf_counter()
            found = compute_features(*given)
            features = (time.perf_counter() - before) / steps
            return found

        training._update, training._features = timed_update, timed_features
        with tempfile.TemporaryDirectory() as folder:
            recipe = {
                "epochs": 1,
                "batch_size": batch,
                "learning_rate": request["learning_rate"],
                "weight_decay": request["weight_decay"],
                "schedule": request["schedule"],
                "warmup": 0.1,
                "clip_norm": 1.0,
                "augmentation": None,
                "precision": "fp32",
            }
            job = training.Job(
                model,
                applied,
                objectives.load("standard", {}),
                split(steps * batch, size),
                split(1, size),
                recipe,
                [],
                0,
                Path(folder),
                request["strategy"],
            )
            before = memory_now()
            training.train(job)
        return clock.report() | {
            "features_seconds": features,
            "before": before,
            "peak": peak_memory(),
            "trained": strategies.counts(model)["trainable"],
        }

    return measure


def backbone(vit: dict[str, int]) -> dict[str, Any]:
    """Return the section of params for a ViT of a size."""
    arguments = {
        "img_size": vit["image_size"],
        "patch_size": vit["patch_size"],
        "embed_dim": vit["width"],
        "depth": vit["depth"],
        "num_heads": vit["heads"],
    }
    return {"model": "vit_base_patch16_224", "arguments": arguments, "mean": [0.5] * 3, "std": [0.5] * 3}


if __name__ == "__main__":
    main()
