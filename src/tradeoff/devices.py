"""Which device a job computes on."""

import torch

from tradeoff.errors import UserError


def choose_device(name: str) -> torch.device:
    """Return the device that params ask for: `auto` is the GPU when there is one, else the CPU.

    UserError when a GPU is asked for by name and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError("compute.device", f"{name!r} on a machine without a usable GPU", "auto or cpu here")
    return device
