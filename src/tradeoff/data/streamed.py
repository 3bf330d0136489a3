"""Training images too many to keep decoded: read from compressed storage and decoded whenever they are needed."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from tradeoff.data.decode import DecodeError, Form, decode
from tradeoff.errors import UserError
from tradeoff.termination import end_with_parent

KEPT_DECODED = 2 * 2**30  # bytes; a selection below this is decoded once and stays in memory
IMAGES_AT_ONCE = 16  # for one process; fewer are not worth the way there and back


class StreamedImages:
    """Images (n, 3, H, W) uint8 in one file of encoded images, taken by rows as from an array.

    file: the images' bytes, one after the other. starts, stops: (n,) int64, where in it each image lies.
    Processes that decode: as many as cores are free to this one; their number does not change a pixel.
    """

    def __init__(self, file: Path, starts: np.ndarray, stops: np.ndarray, form: Form) -> None:
        self.file, self.starts, self.stops, self.form = file, starts, stops, form
        self.begun: tuple[np.ndarray, list[Future[np.ndarray]]] | None = None  # where they start, their parts

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.starts), 3, self.form.size, self.form.size)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return the images of some rows, decoded."""
        starts, stops = self.starts[rows], self.stops[rows]
        begun, self.begun = self.begun, None
        if begun is not None and np.array_equal(begun[0], starts):
            jobs = begun[1]
        elif _processes() > 1 and len(starts) > IMAGES_AT_ONCE:
            jobs = self._begin(starts, stops)
        else:
            return _decode(self.file, starts, stops, self.form)
        squares = np.empty((len(starts), *self.shape[1:]), dtype=np.uint8)
        for part, job in zip(_parts(len(starts)), jobs, strict=True):
            squares[part] = job.result()
        return squares

    def begin(self, rows: slice | np.ndarray) -> None:
        """Let other processes decode some rows, so that they are there when these very rows are asked for next.

        Memory then holds these besides the ones in use. With one core to work on it does nothing.
        """
        if _processes() > 1:
            self.begun = (self.starts[rows], self._begin(self.starts[rows], self.stops[rows]))

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self[:]

    def take(self, rows: np.ndarray) -> "np.ndarray | StreamedImages":
        """Return some rows: decoded now when they fit in memory, else still streamed."""
        chosen = StreamedImages(self.file, self.starts[rows], self.stops[rows], self.form)
        return chosen[:] if np.prod(chosen.shape) <= KEPT_DECODED else chosen

    def _begin(self, starts: np.ndarray, stops: np.ndarray) -> list[Future[np.ndarray]]:
        parts = _parts(len(starts))
        return [_pool().submit(_decode, self.file, starts[p], stops[p], self.form) for p in parts]


def _parts(n: int) -> Iterator[slice]:
    for start in range(0, n, IMAGES_AT_ONCE):
        yield slice(start, start + IMAGES_AT_ONCE)


def _decode(file: Path, starts: np.ndarray, stops: np.ndarray, form: Form) -> np.ndarray:
    stored = _mapped(file)
    encoded = [stored[start:stop].tobytes() for start, stop in zip(starts, stops, strict=True)]
    try:
        return decode(encoded, form)
    except DecodeError as error:
        raise UserError(
            f"{file}, byte {starts[error.row]}",
            f"an image that does not decode any more ({error.reason})",
            "the images as they were packed",
            f"delete the folder {file.parent} and rerun",
        ) from None


@cache
def _mapped(file: Path) -> np.ndarray:
    return np.memmap(file, dtype=np.uint8, mode="r")


def _processes() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ProcessPoolExecutor:
    """Processes that decode for the whole life of this one; spawned, since forking a CUDA process breaks it."""
    return ProcessPoolExecutor(_processes(), get_context("spawn"), end_with_parent)
