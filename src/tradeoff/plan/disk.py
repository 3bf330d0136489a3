"""Whether the disk holds what a study will write."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tradeoff.errors import UserError
from tradeoff.plan.cost import scratch
from tradeoff.plan.jobs import Job


def check_disk(jobs: Sequence[Job], at_once: int, folder: Path = Path(".")) -> None:
    """UserError when the disk of a folder has less room than the jobs that are not done will fill."""
    left = [job for job in jobs if not job.done]
    needed = sum(job.disk for job in left) + scratch(left, at_once)
    free = shutil.disk_usage(folder).free
    if needed > free:
        snapshots = sum(job.disk for job in left if job.rule == "fine_tune")
        raise UserError(
            "disk",
            f"{free / 1e9:.1f} GB free",
            f"{needed / 1e9:.1f} GB, {snapshots / 1e9:.1f} GB of it for snapshots",
            "free some space, keep fewer snapshots (`snapshots` in params), or see `make plan`",
        )
