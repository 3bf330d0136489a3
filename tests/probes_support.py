"""A fine-tuned run, small enough to probe in a moment, and what its probes write."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits

from tests.backbones_support import seal_weights
from tradeoff import snapshots, strategies
from tradeoff.backbones import build
from tradeoff.files import sha256_of
from tradeoff.probe_code import probe_code
from tradeoff.probes.run import Outputs, probe_run
from tradeoff.seals import sums, write_sealed

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
SLOW = PGD | {"steps": 20, "relative_step": 0.05, "random_start": False}
WARM = SLOW | {"shortcuts": {"early_accept": True, "safety": 0.01, "warm_start": True, "audit": 1.0}}


def fine_tuned(root: Path) -> Path:
    """Fill a folder with a packed dataset, a shifted one, weights, and a run with three snapshots; return it."""
    data = load_digits()
    images = np.repeat((data.images[:200] * 255 / 16).astype(np.uint8)[:, None], 3, axis=1)
    pack_arrays(root / "digits", images, data.target[:200])
    pack_arrays(root / "typeset_digits", 255 - images, data.target[:200])
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


def pack_arrays(folder: Path, images: np.ndarray, labels: np.ndarray, classes: list[str] = CLASSES) -> None:
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


def outputs_in(folder: Path, name: str = "pgd") -> Outputs:
    return Outputs(
        folder / f"{name}.parquet", folder / f"{name}.outcomes.safetensors", folder / f"{name}.cost.json"
    )


def probed(place: Path, folder: Path, probe: dict[str, Any] = PGD, data=("digits",), **more: Any) -> Outputs:
    outputs = outputs_in(folder, probe["name"])
    sets = {name: place / name for name in data}
    probe_run(
        probe,
        more.pop("digest", "probe-digest"),
        more.pop("code", probe_code(SPEC, probe)),
        place / "run",
        place / "weights.safetensors",
        sets,
        outputs,
        **more,
    )
    return outputs


def warm(share: float, batch: int) -> dict[str, Any]:
    return WARM | {
        "shortcuts": WARM["shortcuts"] | {"audit": share},
        "compute": COMPUTE | {"batch_size": batch},
    }


def assert_same(a: Outputs, b: Outputs) -> None:
    assert a.table.read_bytes() == b.table.read_bytes()
    assert a.outcomes.read_bytes() == b.outcomes.read_bytes()


def flip_bit(file: Path, byte: int) -> None:
    content = bytearray(file.read_bytes())
    content[byte] ^= 1
    file.write_bytes(content)
