"""Which device a job computes on."""

import torch

from tradeoff.errors import UserError
from tradeoff.gpus import take_one


def choose_device(name: str) -> torch.device:
    """Return the device that params ask for: `auto` is the GPU when there is one, else the CPU.

    `auto` and `cuda` take one GPU that no other job of this machine holds, of those that CUDA_VISIBLE_DEVICES
    admits; while there is none, they wait. `cuda:<n>` is that one, held or not. UserError when a GPU is asked for
    by name and there is none.
    """
    usable = torch.cuda.is_available()
    if name == "cpu" or (name == "auto" and not usable):
        if name == "auto":
            print("no GPU here: computing on the CPU", flush=True)
        return torch.device("cpu")
    if not usable:
        raise UserError("compute.device", f"{name!r} on a machine without a usable GPU", "auto or cpu here")
    if name in ("auto", "cuda"):
        return torch.device("cuda", take_one(_names()))
    return torch.device(name)


def _names() -> list[str]:
    """The UUIDs of the GPUs, or parts of GPUs (MIG), that this process sees."""
    count = torch.cuda.device_count()
    return [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]
