"""The other side of benchmarks/training.py: HF's Trainer on HF's ViT, with AdapterHub's modules.

Started by it, in the environment of tests/adapterhub. Each request names a strategy, a size and numbers of steps;
the answer has seconds and memory. Everything that HF lets one choose is at its default, but for what costs time and
trains nothing (saving, logging, evaluating), which is off.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parents[1])  # of this environment only `benchmarks` is importable

import adapters
import torch
from torch.utils.data import Dataset
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
)

from benchmarks.workers import StepClock, memory_now, peak_memory, serve

BRANCHES = {"mh_adapter": True, "output_adapter": True, "non_linearity": "gelu"}
ADAPTERS = {
    "lora": adapters.LoRAConfig(
        r=8, alpha=8, attn_matrices=["q", "k", "v"], intermediate_lora=True, output_lora=True
    ),
    "adapter": adapters.DoubleSeqBnConfig(reduction_factor=8, **BRANCHES),
    "compacter": adapters.CompacterConfig(reduction_factor=32),
    "ia3": adapters.IA3Config(attn_matrices=["k", "v"], intermediate_lora=True, output_lora=True),
}


class Images(Dataset):  # type: ignore[type-arg]
    """Decoded images in memory, float32 and normalised, as many as one epoch of `length` wants."""

    def __init__(self, size: int, pool: int, length: int, classes: int) -> None:
        self.images = torch.rand(pool, 3, size, size) * 2 - 1
        self.labels = torch.randint(0, classes, (pool,))
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        row = index % len(self.labels)
        return {"pixel_values": self.images[row], "labels": self.labels[row]}


class Ticking(TrainerCallback):
    """Tells a clock when a step starts."""

    def __init__(self, clock: StepClock) -> None:
        self.clock = clock

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.clock.tick()


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Train; return seconds per step, memory in MiB, and how many parameters train."""
    torch.set_num_threads(request["threads"])
    torch.manual_seed(0)
    model = build(request["vit"], request["strategy"], request["classes"])
    batch, steps = request["batch_size"], request["warmup"] + request["steps"] + 1
    data = Images(request["vit"]["image_size"], 2 * batch, steps * batch, request["classes"])
    clock = StepClock(request["warmup"], steps - 1)
    kind = adapters.AdapterTrainer if request["strategy"] in ADAPTERS else Trainer
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=batch,
            max_steps=steps,
            learning_rate=request["learning_rate"],
            weight_decay=request["weight_decay"],
            max_grad_norm=1.0,
            lr_scheduler_type=request["schedule"],
            warmup_ratio=0.1,
            remove_unused_columns=False,
            dataloader_num_workers=0,
            dataloader_pin_memory=False,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        )
        trainer = kind(model=model, args=arguments, train_dataset=data, callbacks=[Ticking(clock)])
        trainer.remove_callback(PrinterCallback)
        before = memory_now()
        trainer.train()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return clock.report() | {"before": before, "peak": peak_memory(), "trained": trained}


def build(vit: dict[str, int], strategy: str, classes: int) -> ViTForImageClassification:
    """Return a ViT (without a pooler, which classifiers of HF do not have) in which the strategy's parts train."""
    model = ViTForImageClassification(
        ViTConfig(
            hidden_size=vit["width"],
            num_hidden_layers=vit["depth"],
            num_attention_heads=vit["heads"],
            intermediate_size=4 * vit["width"],
            image_size=vit["image_size"],
            patch_size=vit["patch_size"],
            num_labels=classes,
        )
    )
    if strategy in ADAPTERS:
        adapters.init(model)
        model.add_adapter("measured", config=ADAPTERS[strategy])
        model.train_adapter("measured")
    elif strategy != "full":
        for name, parameter in model.named_parameters():
            is_bias = strategy == "bitfit" and name.endswith("bias")
            parameter.requires_grad_(is_bias or name.startswith("classifier"))
    return model


if __name__ == "__main__":
    serve(measure)
