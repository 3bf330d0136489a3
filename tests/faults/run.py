"""One small fine-tuning run as a job of its own, for tests that take something away from it."""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.torch import save_file

from tests.backbones_support import seal_weights
from tests.workflow import ROOT
from tradeoff.backbones import build
from tradeoff.run_code import run_code
from tradeoff.seals import sums, write_sealed

EVERY = 4  # steps between snapshots
SPEC: dict[str, Any] = {
    "dataset": "digits",
    "backbone": "small_vit",
    "strategy": "full",
    "objective": "standard",
    "seed": 0,
    "data": {
        "validation_share": 0.2,
        "split_seed": 0,
        "limit": {"train": None, "validation": None, "test": None},
    },
    "backbone_spec": {
        "model": "vit_tiny_patch16_224",
        "arguments": {"img_size": 8, "patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 2},
        "image_size": 8,
        "resize": "squash",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "weights": {"pretrain": "glyphs"},
    },
    "strategy_spec": {"name": "full", "params": {}},
    "objective_spec": {"name": "standard", "params": {}},
    "training": {
        "epochs": 20,  # of two steps each
        "batch_size": 20,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "schedule": "constant",
        "warmup": 0.0,
        "clip_norm": None,
        "augmentation": None,
        "label_smoothing": 0.0,
        "precision": "fp32",
    },
    "robust_validation": None,
    "probe_schedule": [{"every": EVERY}],
    "snapshots": "all",
    "compute": {"threads": 1, "deterministic": False, "processes": 1},
}
FORKS: set[int] = set()  # the numbers of all processes that `fork` started
RESULTS = ("snapshots.safetensors", "training.parquet", "run.json")


class Run:
    """A run's data and weights in `place`, and the job that fine-tunes it into a folder."""

    def __init__(self, place: Path, spec: dict[str, Any] = SPEC) -> None:
        self.place, self.spec = place, spec
        random = np.random.default_rng(0)
        _pack(place / "data", random.integers(0, 256, (60, 3, 8, 8), dtype=np.uint8), np.arange(60) % 10)
        model = build(SPEC["backbone_spec"], 10, 0, None)
        tensors = {name: tensor.contiguous() for name, tensor in model.net.state_dict().items()}
        save_file(tensors, place / "weights.safetensors")
        seal_weights(place / "weights.safetensors")

    def start(
        self, output: Path, before: Callable[[], None] | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        """Start the job; before: called in its process first."""
        arguments = {
            "--spec": json.dumps(self.spec),
            "--code": run_code(self.spec),
            "--data": str(self.place / "data"),
            "--weights": str(self.place / "weights.safetensors"),
            "--output": str(output),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "workflow_scripts.fine_tune", *sum(arguments.items(), ())],
            cwd=ROOT,
            env=os.environ
            | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
            # Python 3.11 leaves half a module's bytecode where it may not write the whole.
            | {"PYTHONDONTWRITEBYTECODE": "1"}
            | environment,
            preexec_fn=before,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def make(
        self, output: Path, before: Callable[[], None] | None = None, **environment: str
    ) -> tuple[int, str, str]:
        """Run the job to its end; return its status and what it said on stdout and stderr."""
        process = self.start(output, before, **environment)
        said, complained = process.communicate(timeout=600)
        return process.returncode, said, complained


def fork(job: Callable[[], object]) -> int:
    """Start a job in a process of its own and return its number. PyTorch: no backward pass before a fork."""
    pid = os.fork()
    if pid:
        FORKS.add(pid)
        return pid
    status = 1
    try:
        job()
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def end(pid: int) -> None:
    """Wait for a fork that is to end well."""
    assert os.waitpid(pid, 0)[1] == 0


def results(output: Path) -> dict[str, bytes]:
    return {name: (output / name).read_bytes() for name in RESULTS}


def _pack(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write a packed dataset as `tradeoff.data.pack` does."""
    folder.mkdir()
    np.save(folder / "images.npy", images)
    n = len(labels)
    index = {
        "row": np.arange(n),
        "label": labels.astype(np.int64),
        "domain": pa.nulls(n, pa.int64()),
        "split": ["train" if row < 50 else "test" for row in range(n)],
    }
    pq.write_table(pa.table(index), folder / "index.parquet")
    files = ["images.npy", "index.parquet"]
    write_sealed(
        folder / "manifest.json",
        {
            "shape": list(images.shape),
            "dtype": "uint8",
            "class_names": [str(digit) for digit in range(10)],
            "domain_names": [],
            "bytes": {name: (folder / name).stat().st_size for name in files},
            "sha256": sums(folder, files),
            "source": {},
        },
    )
