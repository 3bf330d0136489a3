"""Random numbers that are a function of their place alone: the same on every machine and in every version.

NumPy's own generators may change their streams between versions; splits and drawn images must not.
"""

from collections.abc import Sequence

import numpy as np

from tradeoff.splitmix import GOLDEN_GAMMA, mix


def hashes(seed: int, stream: int, places: np.ndarray) -> np.ndarray:
    """Return uint64 hashes, in the shape of `places` (integers, at least 0), of (seed, stream, place).

    stream: a small number that keeps different uses of one seed apart.
    """
    gamma = np.uint64(GOLDEN_GAMMA)
    origin = mix(np.array([seed], dtype=np.uint64) * gamma + np.uint64(stream))
    return mix(origin + (places.astype(np.uint64) + np.uint64(1)) * gamma)


def uniforms(seed: int, stream: int, shape: Sequence[int]) -> np.ndarray:
    """Return float64 numbers in [0, 1) of a shape; the first row does not depend on how many follow."""
    places = np.arange(np.prod(shape, dtype=np.int64)).reshape(shape)
    numbers: np.ndarray = (hashes(seed, stream, places) >> np.uint64(11)) * 2.0**-53
    return numbers
