"""How fast images reach the device, packed, streamed, and through HF `datasets` with torchvision and workers.

    python -m benchmarks.packing --json packing.json [--dataset caltech101] [--side 375] [--size 224]
        [--images 1000] [--repeats 3] [--workers 2] [--busy]

The images are JPEGs of the mirror enlarged to a short side of --side pixels, 375 as most of ImageNet's have. Packing
is timed once, from the Parquet file to the array on disk, as every dataset goes through it once.
Then shuffled epochs of batches of float pixels: from the packed array, from the streamed one, and from HF
`datasets` with torchvision's Resize and ToTensor in a DataLoader, without workers and with some. Contenders take
turns; numbers are medians over the repeats, in images a second and in images for a second of processor time, which
other work on the machine disturbs least. Wants the mirror (TRADEOFF_MIRROR). Prints a Markdown table.

--busy compares something else: the streamed array as training reads it, decoded ahead, and read when a batch is asked
for, on a device that is busy with a batch for as long as decoding one takes. A pause plays the device.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from tradeoff.batches import to_device
from tradeoff.data import streamed
from tradeoff.data.decode import Form
from tradeoff.data.fetch import fetch
from tradeoff.data.pack import pack
from tradeoff.data.raw import IMAGE
from tradeoff.data.splits import Split, load_split

BATCH = 128
WHOLE_TRAIN = {"validation_share": 0.0, "split_seed": 0, "limit": None}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Time images on their way to the device.")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    parser.add_argument("--dataset", default="caltech101", help="a dataset of the mirror")
    parser.add_argument("--side", type=int, default=375, help="short side of the JPEGs, pixels")
    parser.add_argument("--size", type=int, default=224, help="of the squares that a model sees")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--busy", action="store_true", help="what decoding ahead of a busy device gains")
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
    raw = _raw(arguments, folder)
    pack(raw, folder / "streamed", form, up_to=0)
    if arguments.busy:
        return _taking_turns(_busy(arguments, folder), arguments)
    packing = {
        f"packing, {_processes(n)}": [_timed(partial(_pack, raw, folder / "packed", form, n), _rows(raw))]
        for n in (arguments.workers, 1)
    }
    return packing | _taking_turns(_contenders(arguments, folder, raw), arguments)


def _taking_turns(
    contenders: dict[str, Callable[[], Iterator[Any]]], arguments: argparse.Namespace
) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(arguments.repeats):
        for name, epoch in contenders.items():
            found.setdefault(name, []).append(_timed(partial(_use, epoch), arguments.images))
    return found


def _raw(arguments: argparse.Namespace, folder: Path) -> Path:
    """Fetch a dataset and make its images JPEGs of the right size; as many to train on as were asked for."""
    raw = folder / "raw"
    fetch(arguments.dataset, {}, Path(os.environ["TRADEOFF_MIRROR"]), raw)
    for split in ("train", "test"):
        table = pq.read_table(raw / f"{split}.parquet")
        if split == "train":
            table = table.take(np.arange(arguments.images) % len(table))
        else:  # one of each class is enough to be packed with them
            table = table.take(np.unique(table["label"].to_numpy(), return_index=True)[1])
        images = [_enlarged(row["bytes"], arguments.side) for row in table["image"].to_pylist()]
        column = pa.array([{"bytes": image, "path": None} for image in images], IMAGE)
        table = table.set_column(table.schema.get_field_index("image"), "image", column)
        pq.write_table(table, raw / f"{split}.parquet")
    return raw


def _enlarged(encoded: bytes, side: int) -> bytes:
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    scale = side / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _rows(raw: Path) -> int:
    return sum(pq.read_metadata(raw / f"{split}.parquet").num_rows for split in ("train", "test"))


def _pack(raw: Path, output: Path, form: Form, workers: int) -> None:
    """Pack as the workflow does, in a program of its own."""
    command = [
        sys.executable,
        "-m",
        "workflow_scripts.pack_dataset",
        "--raw",
        str(raw),
        "--output",
        str(output),
    ]
    command += ["--size", str(form.size), "--resize", form.resize, "--workers", str(workers)]
    subprocess.run(command, check=True)


def _processes(n: int) -> str:
    return "1 process" if n == 1 else f"{n} processes"


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
        f"streamed to device, {_processes(arguments.workers)}": lambda: stream(arguments.workers),
        "datasets and torchvision, no workers": lambda: _theirs(raw, folder, arguments.size, 0),
        f"datasets and torchvision, {arguments.workers} workers": lambda: _theirs(
            raw, folder, arguments.size, arguments.workers
        ),
    }


def _busy(arguments: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Iterator[Any]]]:
    split = load_split(folder / "streamed", None, "train", **WHOLE_TRAIN)
    streamed._processes = lambda: arguments.workers
    _use(partial(_ours, split))  # starts the processes
    started = time.monotonic()
    _use(partial(_ours, split))
    pause = (time.monotonic() - started) * BATCH / arguments.images
    return {
        f"streamed {words}, a batch busy for {pause:.2f} s": partial(_ours, split, ahead=ahead, pause=pause)
        for words, ahead in (("as asked for", False), ("decoded ahead", True))
    }


def _ours(split: Split, *, ahead: bool = False, pause: float = 0.0) -> Iterator[Any]:
    order = torch.randperm(len(split.labels)).numpy()
    batches = [np.sort(order[start : start + BATCH]) for start in range(0, len(order), BATCH)]
    for rows, following in zip(batches, [*batches[1:], None], strict=True):
        yield to_device(split, rows, torch.device("cpu"), following if ahead else None)
        time.sleep(pause)


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
