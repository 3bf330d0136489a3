"""Small datasets for the tests, written by HF `datasets`, the library whose form we promise to keep."""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from tradeoff.seals import sums, write_sealed

MIRROR = Path(os.environ.get("TRADEOFF_MIRROR", Path(__file__).parents[2] / "shared" / "mirror"))


def png(image):
    """Encode an array (H, W[, 3]) uint8, or a PIL image."""
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, "PNG")
    return buffer.getvalue()


def write_parquet(path, images, labels, class_names, domains=None, domain_names=None, columns=None, **extra):
    """Write encoded or raw images with the features Image and ClassLabel; columns: other names for them."""
    import datasets

    names = {"image": "image", "label": "label", "domain": "domain"} | (columns or {})
    rows = {
        names["image"]: [{"bytes": i if isinstance(i, bytes) else png(i), "path": None} for i in images],
        names["label"]: list(map(int, labels)),
    }
    features = {
        names["image"]: datasets.Image(),
        names["label"]: datasets.ClassLabel(names=class_names) if class_names else datasets.Value("int64"),
    }
    if domain_names:
        rows[names["domain"]] = list(map(int, domains))
        features[names["domain"]] = datasets.ClassLabel(names=domain_names)
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict(rows, features=datasets.Features(features)).to_parquet(str(path))


def write_raw(folder, splits, class_names, domain_names=()):
    """Write a folder as a fetch leaves it. splits: name -> (images, labels[, domains])."""
    for split, (images, labels, *domains) in splits.items():
        write_parquet(
            folder / f"{split}.parquet",
            images,
            labels,
            class_names,
            *domains,
            domain_names=list(domain_names),
        )
    about = {"dataset": "test", "class_names": list(class_names), "domain_names": list(domain_names)}
    files = [f"{split}.parquet" for split in splits]
    write_sealed(folder / "source.json", about | {"sha256": sums(folder, files)})
