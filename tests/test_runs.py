"""A run from its spec to its files: what a robust one leaves, and that a diverged one leaves nothing."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.torch import save_file

from tests.backbones_support import seal_weights
from tests.probes_support import BACKBONE, CLASSES, pack_arrays
from tradeoff import runs
from tradeoff.backbones import build
from tradeoff.errors import UserError
from tradeoff.files import digest_of

SPEC = {
    "dataset": "digits",
    "backbone": "small_vit",
    "strategy": "full",
    "objective": "rft_sched-epsilon8_255",
    "seed": 3,
    "data": {
        "validation_share": 0.2,
        "split_seed": 0,
        "limit": {"train": None, "validation": None, "test": None},
    },
    "backbone_spec": BACKBONE,
    "strategy_spec": {"name": "full", "params": {}},
    "objective_spec": {"name": "rft_sched", "params": {"epsilon": 8 / 255, "t1": 1 / 3, "t2": 1.0, "steps": 2}},
    "training": {
        "epochs": 3,
        "batch_size": 20,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "schedule": "constant",
        "warmup": 0.0,
        "clip_norm": None,
        "augmentation": None,
        "label_smoothing": 0.1,
        "precision": "fp32",
    },
    "robust_validation": {
        "attack": "apgd", "steps": 3, "norm": "linf", "epsilon": 8 / 255, "limit": 10, "every": 2,
    },
    "probe_schedule": [{"every": 6}],
    "snapshots": "all",
    "compute": {"threads": 1, "deterministic": False, "processes": 1},
}  # fmt: skip


@pytest.fixture
def place(tmp_path):
    random = np.random.default_rng(0)
    pack_arrays(tmp_path / "data", random.integers(0, 256, (60, 3, 8, 8), dtype=np.uint8), np.arange(60) % 10)
    model = build(BACKBONE, 10, 3, None)
    tensors = {name: tensor.contiguous() for name, tensor in model.net.state_dict().items()}
    save_file(tensors, tmp_path / "weights.safetensors")
    seal_weights(tmp_path / "weights.safetensors")
    return tmp_path


def fine_tune(place, spec, name="run"):
    (place / name).mkdir(exist_ok=True)
    runs.fine_tune(spec, "code", place / "data", place / "weights.safetensors", place / name)
    return place / name


def test_a_robust_run_leaves_its_log_with_epsilons_and_robust_validation(place):
    folder = fine_tune(place, SPEC)
    table = pq.read_table(folder / "training.parquet")
    assert json.loads(table.schema.metadata[b"identity"]) == {"digest": digest_of(SPEC)}
    log = table.to_pandas()
    steps = len(log) // 3
    assert list(log["epsilon"]) == pytest.approx(np.repeat([0, 0, 4 / 255], steps))
    assert list(log["step"]) == list(range(1, len(log) + 1))
    assert list(log["validation_accuracy"].dropna().index + 1) == [steps, 2 * steps, 3 * steps]
    measured = log[["validation_robust_accuracy", "validation_robust_loss", "validation_epsilon"]].dropna()
    assert list(measured.index + 1) == [2 * steps, 3 * steps]
    assert set(measured["validation_epsilon"]) == {8 / 255}
    assert (
        measured["validation_robust_accuracy"]
        .mul(10)
        .round()
        .sub(measured["validation_robust_accuracy"].mul(10))
        .abs()
        .max()
        < 1e-9
    )  # of ten images
    about = json.loads((folder / "run.json").read_text())
    assert about["spec"] == SPEC and about["class_names"] == CLASSES
    assert about["strategy"] == {"place": "everything", "mechanism": "all weights"}


def test_a_run_made_twice_has_the_same_bytes(place):
    one, other = (fine_tune(place, SPEC, name) for name in ("one", "other"))
    for file in ("training.parquet", "snapshots.safetensors"):
        assert (one / file).read_bytes() == (other / file).read_bytes()


@pytest.mark.parametrize("objective", ["rft_sched", "standard"])
def test_a_diverged_run_leaves_no_file_that_counts_as_a_result(place, objective):
    spec = SPEC | {"training": SPEC["training"] | {"learning_rate": 1e30}}
    if objective == "standard":
        spec |= {"objective_spec": {"name": "standard", "params": {}}, "robust_validation": None}
    with pytest.raises(UserError, match=r"at step \d+ \(learning rate 1e\+30; last good snapshot: step 0\)"):
        fine_tune(place, spec)
    assert not [path for path in (place / "run").iterdir() if not path.name.startswith("resume-")]
