"""How fast images reach the device, packed, streamed, and through HF `datasets` with torchvision and workers.

    python -m benchmarks.packing --json packing.json [--dataset caltech101] [--size 224] [--images 2000]
        [--repeats 3] [--workers 2]

Packing is timed once, from the Parquet file of JPEGs to the array on disk, as every dataset goes through it once.
Then shuffled epochs of batches of float pixels: from the packed array, from the streamed one, and from HF
`datasets` with torchvision's Resize and ToTensor in a DataLoader, without workers and with some. Contenders take
turns; numbers are medians over the repeats, in images a second and in images for a second of processor time, which
other work on the machine disturbs least. Wants the mirror (TRADEOFF_MIRROR). Prints a Markdown table.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from tradeoff.data import streamed
from tradeoff.data.decode import Form
from tradeoff.data.fetch import fetch
from tradeoff.data.pack import pack
from tradeoff.data.splits import Split, load_split
from tradeoff.training import to_device

BATCH = 128
WHOLE_TRAIN = {"validation_share": 0.0, "split_seed": 0, "limit": None}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Time images on their way to the device.")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    parser.add_argument("--dataset", default="caltech101", help="a dataset of the mirror")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    streamed.KEPT_DECODED = 0  # streaming is what is measured, however few the images
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments, Path(folder))
    print(_table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, list[dict[str, float]]]:
    """Return, for each contender, {wall, processor}: images a second of either clock, in every repeat."""
    form = Form(arguments.size, "squash")
    raw = _raw(arguments.dataset, arguments.images, folder)
    packings: dict[str, Callable[[], None]] = {
        "packing, 1 process": lambda: pack(raw, folder / "packed", form),
        f"packing, {arguments.workers} processes": lambda: pack(
            raw, folder / "again", form, arguments.workers
        ),
    }
    rows = sum(pq.read_metadata(raw / f"{split}.parquet").num_rows for split in ("train", "test"))
    found = {name: [_timed(packing, rows)] for name, packing in packings.items()}
    pack(raw, folder / "streamed", form, up_to=0)
    contenders = _contenders(arguments, folder, raw)
    for _ in range(arguments.repeats):
        for name, epoch in contenders.items():
            found.setdefault(name, []).append(_timed(partial(_use, epoch), arguments.images))
    return found


def _raw(dataset: str, images: int, folder: Path) -> Path:
    """Fetch a dataset from the mirror and repeat or cut its training images to a number of them."""
    raw = folder / "raw"
    fetch(dataset, {}, Path(os.environ["TRADEOFF_MIRROR"]), raw)
    table = pq.read_table(raw / "train.parquet")
    pq.write_table(table.take(np.arange(images) % len(table)), raw / "train.parquet")
    return raw


def _contenders(
    arguments: argparse.Namespace, folder: Path, raw: Path
) -> dict[str, Callable[[], Iterator[Any]]]:
    ours = {name: load_split(folder / name, None, "train", **WHOLE_TRAIN) for name in ("packed", "streamed")}

    def stream(processes: int) -> Iterator[Any]:
        streamed._processes = lambda: processes
        return _ours(ours["streamed"])

    return {
        "packed to device": lambda: _ours(ours["packed"]),
        "streamed to device, 1 process": lambda: stream(1),
        f"streamed to device, {arguments.workers} processes": lambda: stream(arguments.workers),
        "datasets and torchvision, no workers": lambda: _theirs(raw, folder, arguments.size, 0),
        f"datasets and torchvision, {arguments.workers} workers": lambda: _theirs(
            raw, folder, arguments.size, arguments.workers
        ),
    }


def _ours(split: Split) -> Iterator[Any]:
    order = torch.randperm(len(split.labels)).numpy()
    for start in range(0, len(order), BATCH):
        yield to_device(split, np.sort(order[start : start + BATCH]), torch.device("cpu"))


def _theirs(raw: Path, folder: Path, size: int, workers: int) -> Iterator[Any]:
    import datasets
    from torchvision.transforms import Compose, Resize, ToTensor

    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(
        "parquet", data_files=str(raw / "train.parquet"), split="train", cache_dir=str(folder / "cache")
    )
    form = Compose([Resize((size, size)), ToTensor()])

    def transform(rows: dict[str, Any]) -> dict[str, Any]:
        return {"image": [form(image.convert("RGB")) for image in rows["image"]], "label": rows["label"]}

    loader: Any = torch.utils.data.DataLoader(
        loaded.with_transform(transform), BATCH, shuffle=True, num_workers=workers
    )
    return iter(loader)


def _use(epoch: Callable[[], Iterator[Any]]) -> None:
    for _ in epoch():
        pass


def _timed(work: Callable[[], None], images: int) -> dict[str, float]:
    wall, processor = time.monotonic(), _processor()
    work()
    return {"wall": images / (time.monotonic() - wall), "processor": images / (_processor() - processor)}


def _processor() -> float:
    """Seconds of processor time of this process and of those of its children that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _table(found: dict[str, list[dict[str, float]]]) -> str:
    lines = ["| what | images/s | per second of processor |", "|---|---:|---:|"]
    for name, repeats in found.items():
        wall, processor = (statistics.median(each[key] for each in repeats) for key in ("wall", "processor"))
        # Processes that go on decoding for the next epoch are not counted yet.
        counted = "" if name.startswith("streamed") and "1 process" not in name else f"{processor:,.0f}"
        lines.append(f"| {name} | {wall:,.0f} | {counted} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
