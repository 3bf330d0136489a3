"""A plan: the sums over jobs, what costs most, and what would halve it."""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tradeoff.errors import UserError
from tradeoff.plan.calibration import Calibration
from tradeoff.plan.jobs import Job, Jobs
from tradeoff.plan.sizes import Sizes
from tradeoff.study import Study

WORTH = 0.95  # a change that leaves more than this share of hours, FLOPs and disk is not worth a line


@dataclass(frozen=True)
class Total:
    """Sums over some jobs; seconds (expected) and most, both of devices, are None without a calibration."""

    jobs: int
    snapshots: int
    image_attacks: int
    flops: float
    disk: int
    seconds: float | None
    most: float | None


@dataclass(frozen=True)
class Saving:
    """A change of params and what remains of the study's cost with it, as shares of today's."""

    change: str
    seconds: float | None
    flops: float
    disk: float


def total(jobs: Iterable[Job], device: Calibration | None) -> Total:
    """Return the sums over jobs."""
    jobs = list(jobs)
    return Total(
        len(jobs),
        sum(job.snapshots for job in jobs),
        sum(job.image_attacks for job in jobs),
        sum(job.flops for job in jobs),
        sum(job.disk for job in jobs),
        sum(job.device_seconds(device) for job in jobs) if device else None,
        sum(job.device_seconds(device, most=True) for job in jobs) if device else None,
    )


def grouped(jobs: Iterable[Job], key: Callable[[Job], str | None]) -> dict[str, list[Job]]:
    """Return the jobs by what `key` says of them, in their order; those of which it says None are left out."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        name = key(job)
        if name is not None:
            groups.setdefault(name, []).append(job)
    return groups


def scratch(jobs: Iterable[Job], at_once: int) -> int:
    """Bytes that the hungriest jobs need besides their results, so many of them at once."""
    return sum(sorted((job.scratch for job in jobs), reverse=True)[:at_once])


def savings(study: Study, sizes: Sizes, device: Calibration | None) -> list[Saving]:
    """Return changes of params and what each would leave of the whole study, the most helpful first.

    Every change is planned anew, so that the shares are of the plan and not of a rule of thumb.
    """

    def planned(params: dict[str, Any]) -> Total:
        return total(Jobs(Study(params, study.mirror), sizes, ignore_done=True).all(), device)

    today = planned(study.params)
    found = []
    for change, params in _changes(study.params):
        try:
            then = planned(params)
        except UserError:  # a change that params do not allow
            continue
        found.append(
            Saving(
                change,
                then.seconds / today.seconds if then.seconds is not None and today.seconds else None,
                then.flops / today.flops if today.flops else 1.0,
                then.disk / today.disk if today.disk else 1.0,
            )
        )
    found = [it for it in found if min(it.seconds or it.flops, it.flops, it.disk) < WORTH]
    return sorted(found, key=lambda saving: saving.flops if saving.seconds is None else saving.seconds)


def _changes(params: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a sentence and the changed params for everything that might be halved."""
    for name in ("seeds", "datasets", "backbones", "strategies", "objectives"):
        chosen = params["study"][name]
        if len(chosen) > 1:
            kept = chosen[: (len(chosen) + 1) // 2]
            yield (
                f"study.{name}: {len(kept)} of {len(chosen)} ({_some(kept)})",
                _with(params, "study", name, kept),
            )
    for name in params["study"]["probes"]:
        probe = params["probes"][name]
        if len(params["study"]["probes"]) > 1:
            kept = [other for other in params["study"]["probes"] if other != name]
            headline = params["tradeoff"]["headline"]
            if not headline or headline["probe"] in kept:
                yield f"study.probes without {name}", _with(params, "study", "probes", kept)
        if probe.get("steps", 1) > 1:
            half = probe["steps"] // 2
            changed = probe | {"steps": half}
            yield f"probes.{name}.steps: {half} for {probe['steps']}", _with(params, "probes", name, changed)
    schedule = [entry | {"every": 2 * entry["every"]} for entry in params["probe_schedule"]]
    yield "probe_schedule: every twice as large", params | {"probe_schedule": schedule}
    epochs = params["training"]["epochs"]
    yield f"training.epochs: {epochs / 2:g} for {epochs:g}", _with(params, "training", "epochs", epochs / 2)
    limit = params["data"]["limit"]
    test = limit["test"]
    half_test = test // 2 if test and test > 1 else 1000
    words = f"data.limit.test: {half_test} for {test or 'all'}"
    yield words, _with(params, "data", "limit", limit | {"test": half_test})
    if params["compute"]["precision"] == "fp32":
        yield "compute.precision: bf16 (probes)", _with(params, "compute", "precision", "bf16")
    if params["snapshots"] == "all":
        yield "snapshots: {every: 2}", params | {"snapshots": {"every": 2}}
        yield "snapshots: last", params | {"snapshots": "last"}


def _with(params: dict[str, Any], section: str, key: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(params)
    changed[section][key] = value
    return changed


def _some(names: list[Any]) -> str:
    return ", ".join(map(str, names[:3])) + (", ..." if len(names) > 3 else "")
