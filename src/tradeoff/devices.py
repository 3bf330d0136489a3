"""Which device a job computes on, and how repeatably."""

import os

import torch

from tradeoff.errors import UserError
from tradeoff.gpus import take


def choose_device(name: str, deterministic: bool = False) -> torch.device:
    """Return the device that params ask for: `auto` is the GPU when there is one, else the CPU.

    `auto` and `cuda` take one GPU that no other job of this machine holds, of those that CUDA_VISIBLE_DEVICES
    admits; while there is none, they wait. `cuda:<n>` is that one, held or not. UserError when a GPU is asked for
    by name and there is none.
    deterministic: on a GPU, only algorithms that give the same bits every time; torch raises where it has none.
    On the CPU they are all there is.
    """
    usable = torch.cuda.is_available()
    if name == "cpu" or (name == "auto" and not usable):
        if name == "auto":
            print("no GPU here: computing on the CPU", flush=True)
        return torch.device("cpu")
    if not usable:
        raise UserError("compute.device", f"{name!r} on a machine without a usable GPU", "auto or cpu here")
    if deterministic:
        _repeat_bit_for_bit()
    if name in ("auto", "cuda"):
        return torch.device("cuda", take(_names())[0])
    return torch.device(name)


def choose_devices(name: str, count: int) -> list[str]:
    """Return the names of devices for so many processes of one job: GPUs of their own, or the CPU for all.

    The GPUs are held until this process ends. UserError when there are fewer, or for one GPU by its number.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return ["cpu"] * count
    if name not in ("auto", "cuda"):
        raise UserError("compute.device", f"{name!r} for {count} processes", "auto, cuda or cpu")
    return [f"cuda:{index}" for index in take(_names(), count)]


def _repeat_bit_for_bit() -> None:
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read when the first product of matrices is computed
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False  # it times algorithms, and takes another one on another day


def _names() -> list[str]:
    """The UUIDs of the GPUs, or parts of GPUs (MIG), that this process sees."""
    count = torch.cuda.device_count()
    return [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]
