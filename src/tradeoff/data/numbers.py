"""Random numbers that are a function of their place alone: the same on every machine and in every version.

SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): the k-th output is a mix of seed + k * golden gamma.
NumPy's own generators may change their streams between versions; splits and drawn images must not.
"""

from collections.abc import Sequence

import numpy as np

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def hashes(seed: int, stream: int, places: np.ndarray) -> np.ndarray:
    """Return uint64 hashes, in the shape of `places` (integers, at least 0), of (seed, stream, place).

    stream: a small number that keeps different uses of one seed apart.
    """
    origin = _mix(np.array([seed], dtype=np.uint64) * GOLDEN_GAMMA + np.uint64(stream))
    return _mix(origin + (places.astype(np.uint64) + np.uint64(1)) * GOLDEN_GAMMA)


def uniforms(seed: int, stream: int, shape: Sequence[int]) -> np.ndarray:
    """Return float64 numbers in [0, 1) of a shape; the first row does not depend on how many follow."""
    places = np.arange(np.prod(shape, dtype=np.int64)).reshape(shape)
    numbers: np.ndarray = (hashes(seed, stream, places) >> np.uint64(11)) * 2.0**-53
    return numbers


def _mix(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = state ^ (state >> np.uint64(31))
    return mixed
