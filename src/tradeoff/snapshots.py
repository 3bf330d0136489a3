"""Snapshots: what a strategy trains, at scheduled steps, in one safetensors file.

Keys are "<step, 8 digits>/<parameter>"; the file's metadata say which strategy on which backbone it belongs
to. While a run is unfinished every step has a part file of its own.
"""

import json
import struct
from collections.abc import Container, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tradeoff.backbones import Classifier
from tradeoff.errors import UserError
from tradeoff.files import canonical_json, whole_file
from tradeoff.tensor_files import Entry, write_entries

WORDS = {
    "strategy": "strategy",
    "strategy_params": "parameters of the strategy",
    "backbone": "backbone",
    "backbone_spec": "settings of the backbone",
    "weights_sha256": "weights of the backbone",
}

State = dict[str, Tensor]


def metadata(strategy: dict[str, Any], backbone: dict[str, Any], weights_sha256: str) -> dict[str, str]:
    """Return what snapshots of a run carry, and what a model must agree with to load them.

    strategy: {name, params}; backbone: its section of params; weights_sha256: of its weights' file.
    """
    return {
        "strategy": strategy["name"],
        "strategy_params": canonical_json(strategy["params"]),
        "backbone": backbone["model"],
        "backbone_spec": canonical_json(backbone),
        "weights_sha256": weights_sha256,
    }


def trainable_state(model: Classifier) -> State:
    """Return what a snapshot holds: the trained parameters, and BatchNorm's statistics where they move.

    The tensors are the model's own, not copies.
    """
    return {name: tensor.detach() for name, tensor in _own(model).items()}


def write_part(folder: Path, step: int, state: State) -> Path:
    """Write the snapshot of one step as a file of its own, whole or not at all; return its path."""
    part = _part(folder, step)
    with whole_file(part) as temporary:
        save_file({name: tensor.contiguous().cpu() for name, tensor in state.items()}, temporary)
    return part


def load_part(model: Classifier, folder: Path, step: int) -> None:
    """Set the model to the snapshot of one step; UserError when the file is missing, broken or foreign."""
    _load(model, _part(folder, step), "", {})


def drop_parts(folder: Path, kept: Container[int]) -> None:
    """Remove the snapshot files of all steps but those kept."""
    for file in folder.glob("part-*.safetensors"):
        if int(file.stem.removeprefix("part-")) not in kept:
            file.unlink()


def join(folder: Path, steps: Iterable[int], output: Path, metadata: dict[str, str]) -> None:
    """Write one file of the part files of `steps`, tensor by tensor, so that memory never holds a snapshot.

    The bytes depend on the content alone. UserError when a part is missing or broken.
    """
    entries = [entry for step in steps for entry in _entries(_part(folder, step), step)]
    write_entries(output, entries, metadata)


def steps(file: Path) -> list[int]:
    """Return the steps that a file holds, rising; UserError when it is missing or broken."""
    with _opened(file) as opened:
        found = {key.split("/", 1)[0] for key in opened.keys()}  # noqa: SIM118 - not a dict
    if not found or not all(step.isdigit() for step in found):
        raise UserError(str(file), "other tensors", "snapshots", "delete it and rerun")
    return sorted(map(int, found))


def load(model: Classifier, file: Path, step: int, metadata: dict[str, str]) -> None:
    """Set the model to the snapshot of a step, bit for bit.

    metadata: of the strategy and backbone that the model is. UserError says what differs: strategy, its
    parameters, backbone, weights, names or shapes; or that the file is missing, broken or lacks the step.
    """
    _load(model, file, f"{step:08d}/", metadata)


def _own(model: Classifier) -> State:
    parameters, buffers = dict(model.net.named_parameters()), dict(model.net.named_buffers())
    return {name: parameters[name] for name in model.trained} | {name: buffers[name] for name in model.moving}


def _part(folder: Path, step: int) -> Path:
    return folder / f"part-{step:08d}.safetensors"


# --- reading


def _opened(file: Path) -> Any:
    if not file.is_file():
        raise UserError(str(file), "no such file", "a snapshot file", "rerun the rule that makes it")
    try:
        return safe_open(file, "pt")
    except (SafetensorError, OSError) as error:
        raise _broken(file, str(error)) from None


def _broken(file: Path, why: str) -> UserError:
    return UserError(str(file), f"a broken file ({why})", "a whole snapshot file", "delete it and rerun")


def _load(model: Classifier, file: Path, prefix: str, metadata: dict[str, str]) -> None:
    own = _own(model)
    with _opened(file) as opened:
        found = opened.metadata() or {}
        for key, expected in metadata.items():
            if found.get(key) != expected:
                raise UserError(
                    str(file), f"snapshots of the {WORDS[key]} {found.get(key, 'unknown')}", expected
                )
        names = {key.removeprefix(prefix) for key in opened.keys() if key.startswith(prefix)}  # noqa: SIM118
        if not names:
            raise UserError(
                str(file), f"no snapshot of step {int(prefix.rstrip('/') or 0)}", "a step it holds"
            )
        if names != own.keys():
            raise UserError(
                str(file), _difference(names, set(own)), "exactly what the model's strategy trains"
            )
        state = {name: opened.get_tensor(prefix + name) for name in own}
    for name, tensor in state.items():
        if (tensor.dtype, tensor.shape) != (own[name].dtype, own[name].shape):
            raise UserError(
                f"{file}: {name}",
                f"{tensor.dtype} of shape {tuple(tensor.shape)}",
                f"{own[name].dtype} of shape {tuple(own[name].shape)}",
            )
    with torch.no_grad():
        for name, tensor in state.items():
            own[name].copy_(tensor)


def _difference(found: set[str], expected: set[str]) -> str:
    sides = [("lacks", sorted(expected - found)), ("has besides", sorted(found - expected))]
    return "a snapshot that " + " and ".join(
        f"{verb} {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
        for verb, names in sides
        if names
    )


# --- joining


def _entries(file: Path, step: int) -> list[Entry]:
    with _opened(file):  # checks that header and length agree
        pass
    with open(file, "rb") as source:
        (length,) = struct.unpack("<Q", source.read(8))
        header = json.loads(source.read(length))
    header.pop("__metadata__", None)
    entries = []
    for name, about in header.items():
        first, last = about["data_offsets"]
        blocks = partial(_blocks, file, 8 + length + first, last - first)
        entries.append(Entry(f"{step:08d}/{name}", about["dtype"], about["shape"], last - first, blocks))
    return entries


def _blocks(file: Path, start: int, length: int) -> Iterator[bytes]:
    with open(file, "rb") as source:
        source.seek(start)
        while length:
            block = source.read(min(length, 1 << 22))
            if not block:
                raise _broken(file, "shorter than its header says")
            yield block
            length -= len(block)
