"""Where a training step's time goes, and how fast it could be if only torch's own kernels took any.

    python -m benchmarks.training_limit [--strategies full,lora,...] [--steps 6] [--training training.json]

Profiles our steps of `benchmarks.training` and adds up kernels that any implementation on torch calls as often on the
same shapes: matrix products, attention, GELU, layer norm, and the fused AdamW. With the numbers of
`benchmarks.training` (its --json) it prints the ratio against HF that a step of these alone would reach.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.training import CLASSES, SIZES, STRATEGIES, backbone
from tradeoff import objectives, strategies
from tradeoff.attacks.noise import Noise
from tradeoff.backbones import build

KERNELS = {
    "products": ("mm", "addmm", "bmm", "baddbmm", "mkldnn", "convolution"),
    "attention": ("scaled_dot_product", "flash_attention"),
    "GELU": ("gelu",),
    "layer norm": ("layer_norm",),
    "AdamW": ("_fused_adamw",),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Where a training step's time goes.")
    parser.add_argument("--strategies", default=",".join(name for name in STRATEGIES if name != "linear"))
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--training", type=Path, help="what benchmarks.training --json wrote")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    measured = json.loads(arguments.training.read_text())["strategies"] if arguments.training else {}
    heads = ["Strategy", *KERNELS, "the rest", "ratio", "of these kernels alone"]
    print("| " + " | ".join(heads) + " |\n| --- " + "| ---: " * (len(heads) - 1) + "|")
    for name in arguments.strategies.split(","):
        shares = kernel_shares(name, arguments.steps, arguments.batch_size)
        kept = sum(shares.values())
        ratio = measured.get(name, {}).get("processor_speedup")
        cells = [f"{share:.0%}" for share in (*shares.values(), 1 - kept)]
        cells += [f"{ratio:.2f}", f"{ratio / kept:.2f}"] if ratio else ["–", "–"]
        print("| " + " | ".join([name, *cells]) + " |", flush=True)


def kernel_shares(strategy: str, steps: int, batch_size: int) -> dict[str, float]:
    """Return the share of our step that each of KERNELS takes, in [0, 1]."""
    vit = SIZES["tiny"]
    model = build(backbone(vit), CLASSES, 0, None)
    applied = strategies.apply(model, strategy, {}, 0)
    objective = objectives.load("standard", {})
    optimizer = torch.optim.AdamW(strategies.decay_groups(model, 0.0), lr=1e-4, fused=True)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    images = torch.rand(batch_size, 3, vit["image_size"], vit["image_size"])
    labels = torch.randint(CLASSES, (batch_size,))

    def step() -> None:
        applied.train_mode(model)
        objective.loss(model, images, labels, torch.arange(batch_size), 0.0, Noise(0)).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(steps):
            step()
    events = profiler.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    return {
        kind: sum(event.self_cpu_time_total for event in events if any(w in event.key for w in words)) / total
        for kind, words in KERNELS.items()
    }


if __name__ == "__main__":
    main()
