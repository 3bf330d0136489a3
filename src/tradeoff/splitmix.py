"""SplitMix64 (Steele, Lea and Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).

The k-th output of a stream is `mix(seed + k * GOLDEN_GAMMA)`: numbers that are a function of their place alone.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # what reads data needs no torch
    from torch import Tensor

GOLDEN_GAMMA = 0x9E3779B97F4A7C15
FIRST = 0xBF58476D1CE4E5B9
SECOND = 0x94D049BB133111EB


def mix(state: np.ndarray) -> np.ndarray:
    """Return the outputs of states, uint64, in the same shape (of one dimension at least)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(FIRST)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(SECOND)
    mixed: np.ndarray = state ^ (state >> np.uint64(31))
    return mixed


def mix_tensor(state: "Tensor") -> "Tensor":
    """Return the same outputs with torch, which has only signed 64-bit integers: int64 of the same bits."""
    state = (state ^ unsigned_shift(state, 30)) * signed(FIRST)
    state = (state ^ unsigned_shift(state, 27)) * signed(SECOND)
    return state ^ unsigned_shift(state, 31)


def mix_integer(state: int) -> int:
    """Return the output of one state, both unsigned; a state beyond 64 bits, or below 0, wraps."""
    state %= 2**64
    state = (state ^ (state >> 30)) * FIRST % 2**64
    state = (state ^ (state >> 27)) * SECOND % 2**64
    return state ^ (state >> 31)


def unsigned_shift(state: "Tensor", places: int) -> "Tensor":
    """Shift int64 right as if it were unsigned: torch's own shift copies the sign. places: 1 to 63."""
    return (state >> places) & ((1 << (64 - places)) - 1)


def signed(number: int) -> int:
    """Return the signed 64-bit integer with the bits of an unsigned one."""
    return number - 2**64 if number >= 2**63 else number
