"""Writing safetensors files whose bytes depend on their content alone.

The library's own writer puts several metadata keys in an order that changes from process to process.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tradeoff.files import whole_file

# Bytes of an element by safetensors' names of types.
SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_TYPES = {np.dtype(np.uint8): "U8", np.dtype(np.int64): "I64", np.dtype(np.int8): "I8"}


@dataclass(frozen=True)
class Entry:
    """A tensor to write: its name, its type (of SIZES), its shape, its bytes in all, and where they come from."""

    name: str
    dtype: str
    shape: list[int]
    length: int
    blocks: Callable[[], Iterable[bytes]]


def write_entries(path: Path, entries: Iterable[Entry], metadata: Mapping[str, str]) -> None:
    """Write tensors block by block, so that memory need not hold them, whole or not at all."""
    # Widest elements first, so that each lies at a multiple of its own size.
    ordered = sorted(entries, key=lambda entry: (-SIZES[entry.dtype], entry.name))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for entry in ordered:
        start, end = end, end + entry.length
        header[entry.name] = {"dtype": entry.dtype, "shape": entry.shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight bytes
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for entry in ordered:
            for block in entry.blocks():
                file.write(block)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write uint8, int8 and int64 arrays."""
    write_entries(path, [_entry(name, array) for name, array in arrays.items()], metadata)


def _entry(name: str, array: np.ndarray) -> Entry:
    return Entry(
        name,
        _TYPES[array.dtype],
        list(array.shape),
        array.nbytes,
        lambda: [np.ascontiguousarray(array).tobytes()],
    )
