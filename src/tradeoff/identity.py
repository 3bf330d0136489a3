"""What a result says of its making: library versions and hardware."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence

LIBRARIES = ("torch", "timm", "peft", "numpy", "scipy", "pillow", "safetensors")
# What decides pixels.
DATA_LIBRARIES = ("numpy", "pillow", "pyarrow")
# What decides a table or a figure.
ARTIFACT_LIBRARIES = ("numpy", "pandas", "scipy", "pyarrow", "matplotlib", "pillow")


def versions(libraries: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide a result.

    By default those of jobs with torch; Pillow and SciPy make corruptions.
    """
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in libraries
    }


def hardware(device: str) -> dict[str, str | int]:
    """Return the processor, the number of cores and, for a GPU, its name. device: cpu or cuda[:n]."""
    found: dict[str, str | int] = {"processor": _processor(), "cores": os.cpu_count() or 1, "device": device}
    if device.startswith("cuda"):
        import torch

        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
