"""A fine-tuning in several processes: each takes a share of every batch, on a GPU of its own.

Every process holds the whole model and sees the same gradients, their mean over the batch, so that all make the same
updates. The first, the *leader*, alone validates, writes and prints. They meet through a file, not a port, and a
process that fails ends the others. torch.distributed alone: what accelerate adds (wrapped models, loaders and
optimizers) would change the loop, where this is one line after a backward pass.
"""

import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor, distributed

from tradeoff.termination import die_with

PATIENCE = 20  # seconds that the others have to end by themselves
# The leader may validate for long; who fails is noticed by `start`.
LONGEST = timedelta(days=7)
MEMBER = "TRADEOFF_TEAM"  # rank/size/number of the starting process/file, in the environment of each member
DESERTED = 3  # status of a member that another one left alone


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
        with _together():
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
        with _together():
            distributed.all_reduce(seen)
            return bool(seen)

    def told(self, values: Mapping[str, float], device: torch.device) -> dict[str, float]:
        """Return the leader's values; all members give the same keys, and what the others give does not count."""
        if self.size == 1:
            return dict(values)
        # Where there is a GPU, only what lies on it can be sent; float64 keeps every float and step as it is.
        sent = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
        with _together():
            distributed.broadcast(sent, 0)
            return dict(zip(values, sent.tolist(), strict=True))

    def wait(self, device: torch.device | str) -> None:
        """Wait until every member is here."""
        self.any(False, device)

    def part(self) -> None:
        """End what the members share, once they need each other no more."""
        if self.size > 1:
            distributed.destroy_process_group()


ALONE = Team()


def join(device: str) -> Team:
    """Return the team that this process is a member of; a team of its own when `start` did not start it."""
    if MEMBER not in os.environ:
        return ALONE
    rank, size, _, file = os.environ[MEMBER].split("/", 3)
    with _together():
        distributed.init_process_group(
            "nccl" if device.startswith("cuda") else "gloo",
            init_method=f"file://{file}",
            rank=int(rank),
            world_size=int(size),
            timeout=LONGEST,
        )
    return Team(int(rank), int(size))


@contextmanager
def _together() -> Iterator[None]:
    """End this process without a word when another member is gone: `start` says what became of that one."""
    try:
        yield
    except RuntimeError:  # of gloo and NCCL: a closed connection
        sys.stdout.flush()
        os._exit(DESERTED)


def enlist() -> bool:
    """Say whether `start` started this process; if so, let it end with the one that called it."""
    if MEMBER not in os.environ:
        return False
    die_with(int(os.environ[MEMBER].split("/")[2]))
    return True


def start(module: str, arguments: Sequence[Sequence[str]]) -> int:
    """Run `python -m module` with each of the arguments in a process of its own, and return 0 if all end well.

    Else the status of the one that failed, after what it said. SIGTERM goes to all of them. When one fails, the others,
    which would wait for it, are ended; when this process is killed, all of them are.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / f"said-{number}" for number in range(len(arguments))]
        members = []
        for number, own in enumerate(arguments):
            about = f"{number}/{len(arguments)}/{os.getpid()}/{Path(folder).resolve()}/meeting"
            with open(said[number], "wb") as quiet:  # they say the same as the leader
                out = None if number == 0 else quiet
                command = [sys.executable, "-m", module, *own]
                environment = os.environ | {MEMBER: about}
                members.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out))

        def pass_on(which: int, frame: FrameType | None) -> None:
            for member in members:
                member.send_signal(which)

        before = signal.signal(signal.SIGTERM, pass_on)
        try:
            failed = _first_failure(members)
            if failed is None:
                return 0
            status = members[failed].returncode
            if failed:
                print(said[failed].read_text(errors="replace"), file=sys.stderr, end="")
            if status < 0:
                print(
                    f"error: process {failed + 1} of {len(members)} of this run was killed", file=sys.stderr
                )
            elif status == DESERTED:
                print(f"error: the {len(members)} processes of this run lost each other", file=sys.stderr)
            return int(status) if status > 0 else 128 - int(status)
        finally:
            signal.signal(signal.SIGTERM, before)
            for member in members:
                member.kill()
                member.wait()


def _first_failure(members: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Wait until all have ended well, or one has failed and the others had time to; return whose fault it is.

    That is the first that ended otherwise than for want of another member, or, if none did, the first that ended so.
    """
    deadline = math.inf
    while any(member.poll() is None for member in members) and time.monotonic() < deadline:
        if deadline == math.inf and (members[0].poll() == 0 or any(member.poll() for member in members)):
            deadline = time.monotonic() + PATIENCE
        time.sleep(0.1)
    ended = {number: member.returncode for number, member in enumerate(members) if member.returncode}
    own = [number for number, status in ended.items() if status != DESERTED]
    return next(iter(own or ended), None)
