"""A fine-tuning in several processes: each takes a share of every batch, on a GPU of its own.

Every process holds the whole model and sees the same gradients, their mean over the batch, so that all make the same
updates. The first, the *leader*, alone validates, writes and prints. They meet through a file, not a port, and a
process that fails ends the others. torch.distributed alone: what accelerate adds (wrapped models, loaders and
optimizers) would change the loop, where this is one line after a backward pass.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor, distributed

PATIENCE = 20  # seconds
# The leader may validate for long; who fails is noticed by `start`.
LONGEST = timedelta(days=7)
MEMBER = "TRADEOFF_TEAM"  # rank/size/file, in the environment of each member


@dataclass(frozen=True)
class Team:
    """rank: 0 for the leader, to size - 1. A team of one communicates with nobody."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, rows: np.ndarray) -> tuple[np.ndarray, float]:
        """Return this member's rows of a batch, and what to weigh the mean of their losses with.

        The mean over members of weighed means is the mean over the batch. A batch of fewer rows than members goes to
        everyone whole.
        """
        if len(rows) < self.size:
            return rows, 1.0
        mine = rows[self.rank :: self.size]
        return mine, len(mine) * self.size / len(rows)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace the tensors, which all members have in the same order and on their device, by their means."""
        listed = list(tensors)
        if self.size == 1 or not listed:
            return
        flat = torch.cat([tensor.flatten() for tensor in listed])
        distributed.all_reduce(flat)
        flat /= self.size
        parts = flat.split([tensor.numel() for tensor in listed])
        for tensor, part in zip(listed, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool, device: torch.device | str) -> bool:
        """Say whether the flag is set for any member."""
        if self.size == 1:
            return flag
        seen = torch.tensor(float(flag), device=device)
        distributed.all_reduce(seen)
        return bool(seen)

    def told(self, values: Mapping[str, float], device: torch.device) -> dict[str, float]:
        """Return the leader's values; all members give the same keys, and what the others give does not count."""
        if self.size == 1:
            return dict(values)
        # Where there is a GPU, only what lies on it can be sent; float64 keeps every float and step as it is.
        sent = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
        distributed.broadcast(sent, 0)
        return dict(zip(values, sent.tolist(), strict=True))


ALONE = Team()


def join(device: str) -> Team:
    """Return the team that this process is a member of; a team of its own when `start` did not start it."""
    if MEMBER not in os.environ:
        return ALONE
    rank, size, file = os.environ[MEMBER].split("/", 2)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    distributed.init_process_group(
        "nccl" if device.startswith("cuda") else "gloo",
        init_method=f"file://{file}",
        rank=int(rank),
        world_size=int(size),
        timeout=LONGEST,
    )
    return Team(int(rank), int(size))


def rank() -> int | None:
    """Return which member this process is; None when `start` did not start it."""
    return int(os.environ[MEMBER].split("/")[0]) if MEMBER in os.environ else None


def start(module: str, arguments: Sequence[Sequence[str]]) -> int:
    """Run `python -m module` with each of the arguments in a process of its own, and return 0 if all end well.

    Else the status of the leader, or of the member that failed alone. SIGTERM goes to all of them. When one fails, the
    others, which would wait for it, are ended; when this process is killed, all of them end.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / f"said-{number}" for number in range(len(arguments))]
        members = []
        for number, own in enumerate(arguments):
            environment = os.environ | {MEMBER: f"{number}/{len(arguments)}/{Path(folder).resolve()}/meeting"}
            with open(said[number], "wb") as quiet:  # they say the same as the leader
                out = None if number == 0 else quiet
                command = [sys.executable, "-m", module, *own]
                members.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out))

        def pass_on(which: int, frame: FrameType | None) -> None:
            for member in members:
                member.send_signal(which)

        before = signal.signal(signal.SIGTERM, pass_on)
        try:
            failed = _first_failure(members)
            if failed is None:
                return 0
            if members[0].returncode is None or members[0].returncode <= 0:  # it did not say why
                print(said[failed].read_text(errors="replace"), file=sys.stderr, end="")
            status = members[failed].returncode
            return status if status > 0 else 128 - status
        finally:
            signal.signal(signal.SIGTERM, before)
            for member in members:
                member.kill()
                member.wait()


def _first_failure(members: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Wait until all have ended well, or one has failed and the leader has had time to say why; return which."""
    while any(member.poll() is None for member in members):
        failed = next((number for number, member in enumerate(members) if member.poll()), None)
        if failed is not None:
            with suppress(subprocess.TimeoutExpired):
                members[0].wait(PATIENCE)
            return 0 if members[0].returncode else failed
        time.sleep(0.2)
    return next((number for number, member in enumerate(members) if member.returncode), None)
