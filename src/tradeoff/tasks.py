"""Measure how hard a task is for a backbone: by the features of its training images, before any fine-tuning."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tradeoff.analysis.complexity import (
    Array,
    Labels,
    class_means,
    neighbour_accuracy,
    separability,
    similarity,
)
from tradeoff.backbones import Classifier, build
from tradeoff.batches import to_device
from tradeoff.data.packed import PackedDataset
from tradeoff.data.registry import split_reference
from tradeoff.data.splits import load_split, split_rows
from tradeoff.devices import choose_device
from tradeoff.files import digest_of
from tradeoff.identity import versions
from tradeoff.progress import Progress
from tradeoff.seals import check_weights, write_sealed

# Images at once; not the probes' number, since the last digits of features may depend on it.
BATCH = 64


def measure_task(
    spec: dict[str, Any], code: str, weights: Path, data: dict[str, Path], output: Path, device: str = "auto"
) -> None:
    """Write a task's number of classes, separability and similarity to the upstream data: task.json, sealed.

    spec: the settings, see `Study.tasks`. code: fingerprint of the code that runs; the file keeps it. weights: the
    backbone's. data: packed folders by dataset reference: the task's, and the upstream dataset's where it is known.
    device: see `devices.choose_device`.
    """
    torch_device = choose_device(device, spec["compute"]["deterministic"])
    # Features are taken before the classifier, so that its size and weights play no part.
    model = build(spec["backbone_spec"], 2, 0, weights).to(torch_device)
    own, upstream = spec["dataset"], spec["upstream"]
    features, labels = _features(model, spec, data, own, torch_device)
    similar = None
    if upstream is not None:
        one = class_means(features, labels), _sizes(spec, data, own)
        other = (
            class_means(*_features(model, spec, data, upstream, torch_device)),
            _sizes(spec, data, upstream),
        )
        similar = similarity(one, other)
    write_sealed(
        output,
        {
            "digest": digest_of(spec),
            "code": code,
            "spec": spec,
            "weights_sha256": check_weights(weights),
            "data_digests": {name: PackedDataset.open(folder).digest for name, folder in data.items()},
            "versions": versions(),
            "images": len(labels),
            "classes": len(np.unique(labels)),
            "separability": separability(features, labels),
            "neighbour_accuracy": neighbour_accuracy(features, labels),
            "similarity": similar,
        },
    )


@torch.inference_mode()
def _features(
    model: Classifier, spec: dict[str, Any], data: dict[str, Path], reference: str, device: torch.device
) -> tuple[Array, Labels]:
    """What the classifier would see of a dataset's training images, (n, D), and their labels (n,)."""
    # ASSUME: two images of each class at least, as a single one tells nothing of the spread within it.
    images = max(spec["images"], 2 * len(PackedDataset.open(data[reference]).class_names))
    split = load_split(data[reference], split_reference(reference)[1], "train", **spec["split"], limit=images)
    parts = []
    progress = Progress(f"features of {reference}, images", len(split.labels))
    for start in range(0, len(split.labels), BATCH):
        batch, _, _ = to_device(split, slice(start, start + BATCH), device)
        parts.append(model.features(batch).double().cpu().numpy())
        progress.update(min(start + BATCH, len(split.labels)))
    return np.concatenate(parts), split.labels


def _sizes(spec: dict[str, Any], data: dict[str, Path], reference: str) -> Array:
    """How many training images each class has of those that have any, by rising label; of all, not of a sample."""
    packed, domain = PackedDataset.open(data[reference]), split_reference(reference)[1]
    rows = split_rows(packed, "train", spec["split"]["validation_share"], spec["split"]["split_seed"])
    if domain is not None:
        rows = rows[packed.domains[rows] == packed.domain_names.index(domain)]
    _, sizes = np.unique(packed.labels[rows], return_counts=True)
    return sizes.astype(np.float64)
