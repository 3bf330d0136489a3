"""Which share of the matrix-product peak a probe's forward and backward reach, on a ViT-B/16 at 224 pixels."""

from collections.abc import Callable
from statistics import median
from typing import Any

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.races import clock

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def share_of_peak(device: torch.device, repeats: int) -> dict[str, dict[str, float]]:
    """Forward alone, and with the gradient of the images, taking turns with the best of two large matrix products.

    Operations are those that torch's FlopCounterMode counts: a multiply-add is two. Medians of the turns.
    """
    model = timm.create_model("vit_base_patch16_224", num_classes=10).to(device).eval().requires_grad_(False)
    x = torch.rand(64 if device.type == "cuda" else 2, 3, 224, 224, device=device, requires_grad=True)
    passes: dict[str, Callable[[], Any]] = {
        "forward": torch.no_grad()(lambda: model(x)),
        "forward and backward": lambda: torch.autograd.grad(
            model(x.clone()).sum(), x
        ),  # the counter wants no leaf
    }
    flops = {}
    for name, run in passes.items():
        with FlopCounterMode(display=False) as counter:
            run()
        flops[name] = counter.get_total_flops()
    found = {}
    for precision, dtype in PRECISIONS.items():
        products = [
            _product(side, dtype, device) for side in ((8192,) if device.type == "cuda" else (1024, 2048))
        ]
        turns = []
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            for _ in range(repeats + 1):
                best = max(count / _seconds(run, device) for run, count in products)
                turns.append(
                    {"product": best} | {n: flops[n] / _seconds(r, device) for n, r in passes.items()}
                )
        for name in passes:
            # The first turn warms up.
            speed = median(turn[name] for turn in turns[1:])
            found[f"{precision}, {name}"] = {
                "gflop_per_image": flops[name] / len(x) / 1e9,
                "images_per_second": speed * len(x) / flops[name],
                "gflops": speed / 1e9,
                "product_gflops": median(turn["product"] for turn in turns[1:]) / 1e9,
                "share": median(turn[name] / turn["product"] for turn in turns[1:]),
            }
    return found


def _product(side: int, dtype: torch.dtype, device: torch.device) -> tuple[Callable[[], Any], int]:
    """Return a square matrix product and its count of operations."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return lambda: a @ b, 2 * side**3


def _seconds(run: Callable[[], Any], device: torch.device) -> float:
    before = clock(device)
    run()
    return clock(device) - before
