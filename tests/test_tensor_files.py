"""Safetensors files: readable by others, the same bytes for the same content."""

import numpy as np
from safetensors.numpy import load_file

from tradeoff.tensor_files import write_arrays


def test_tensors_are_read_by_the_library_and_have_equal_bytes(tmp_path):
    random = np.random.default_rng(0)
    tensors = {
        "b": random.integers(0, 255, (3, 5), dtype=np.uint8),
        "a": np.arange(4),
        "empty": np.zeros((0,), np.uint8),
    }
    write_arrays(tmp_path / "x", tensors, {"epsilons": "[1]", "identity": "{}"})
    write_arrays(tmp_path / "y", dict(reversed(tensors.items())), {"identity": "{}", "epsilons": "[1]"})
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()
    loaded = load_file(tmp_path / "x")
    assert set(loaded) == set(tensors)
    for name, array in tensors.items():
        assert loaded[name].dtype == array.dtype
        assert np.array_equal(loaded[name], array)
