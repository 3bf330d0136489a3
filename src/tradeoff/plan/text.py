"""A plan in words and tables, for the terminal."""

from collections.abc import Iterator, Sequence

from tradeoff.plan.calibration import Calibration
from tradeoff.plan.cost import Saving, Total, grouped, scratch, total
from tradeoff.plan.jobs import Job

RULES = (
    *("fetch_dataset", "pack_dataset", "fetch_backbone", "pretrain_backbone", "fine_tune", "probe"),
    *("gather", "pareto_auc", "write_metrics", "write_numbers", "figures", "tables"),
    *("write_provenance", "write_explorer"),
)
HEAD = ("jobs", "snapshots", "image-attacks", "FLOPs", "disk", "hours", "at most")
SHOWN = 5  # of each kind of choice


def describe(
    name: str, jobs: Sequence[Job], savings: Sequence[Saving], device: Calibration | None, at_once: int
) -> Iterator[str]:
    """Yield the lines of a plan. at_once: jobs that run side by side, for the hours by the clock."""
    left = [job for job in jobs if not job.done]
    done = len(jobs) - len(left)
    runs = [job for job in left if job.rule == "fine_tune"]
    yield f"{name}: {len(runs)} runs and {len(left)} jobs to do" + (f"; {done} jobs are done" if done else "")
    yield ""
    by_rule = grouped(left, lambda job: job.rule)
    rows = [(rule, total(by_rule[rule], device)) for rule in RULES if rule in by_rule]
    everything = total(left, device)
    yield from _table("rule", [*rows, ("total", everything)])
    yield ""
    training = sum(job.flops for job in left if job.rule in ("pretrain_backbone", "fine_tune"))
    probing = sum(job.flops for job in left if job.rule == "probe")
    yield f"training {_count(training)} FLOPs, probing {_count(probing)} FLOPs"
    data = sum(job.disk for job in left if job.rule in ("fetch_dataset", "pack_dataset"))
    snapshots = sum(job.disk for job in left if job.rule == "fine_tune")
    rest = everything.disk - data - snapshots
    needed = scratch(left, at_once)
    yield f"disk: data {_bytes(data)}, snapshots {_bytes(snapshots)}, other results {_bytes(rest)};"
    yield f"      besides, {_bytes(needed)} while jobs run"
    if unknown := [job.name for job in left if job.assumed]:
        yield f"assumed, as nobody has counted them: the images of {', '.join(unknown)}"
    yield from _time(everything, left, device, at_once)
    if left:
        yield ""
        yield from _choices(left, device)
    if savings:
        yield ""
        yield "what would save most, of the whole study (share of hours, FLOPs and disk that remains):"
        for saving in savings[: 2 * SHOWN]:
            hours = "" if saving.seconds is None else f"{saving.seconds:4.0%} hours  "
            yield f"  {hours}{saving.flops:4.0%} FLOPs  {saving.disk:4.0%} disk   {saving.change}"


def _time(everything: Total, left: Sequence[Job], device: Calibration | None, at_once: int) -> Iterator[str]:
    if device is None or everything.seconds is None or everything.most is None:
        yield "hours: this machine was never measured; `make calibrate STUDY=...` does, or name a DEVICE=..."
        return
    longest = max((job.seconds(device) for job in left), default=0.0)
    clock = max(longest, everything.seconds / at_once)
    yield (
        f"hours on {device.name}, {at_once} job{'s' if at_once > 1 else ''} at once: {_hours(clock)} by the clock,"
        f" at most {_hours(max(longest, everything.most / at_once))} if no attack fooled any sample;"
    )
    yield "      downloads are not in it, and the longest job takes " + _hours(longest)


def _choices(left: Sequence[Job], device: Calibration | None) -> Iterator[str]:
    """The most expensive elements of each choice that has several."""
    for key in ("dataset", "backbone", "strategy", "objective", "seed", "probe"):
        groups = grouped(left, lambda job, key=key: job.tags.get(key))  # type: ignore[misc]
        rows = [(name, total(jobs, device)) for name, jobs in groups.items()]
        if len(rows) > 1 or (key == "probe" and rows):
            rows.sort(
                key=lambda row: row[1].flops if row[1].seconds is None else row[1].seconds, reverse=True
            )
            yield from _table(key, rows[:SHOWN])
            if len(rows) > SHOWN:
                yield f"({len(rows) - SHOWN} cheaper ones)"
            yield ""


def _table(title: str, rows: Sequence[tuple[str, Total]]) -> Iterator[str]:
    cells = [[title, *HEAD]] + [
        [
            name,
            f"{row.jobs:,}",
            f"{row.snapshots:,}" if row.snapshots else "",
            _count(row.image_attacks),
            _count(row.flops),
            _bytes(row.disk),
            "" if row.seconds is None else _hours(row.seconds),
            "" if row.most is None else _hours(row.most),
        ]
        for name, row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        first, *others = (
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join([first, *others])


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return (
        f"{hours:,.0f} h" if hours >= 100 else f"{hours:.1f} h" if hours >= 1 else f"{seconds / 60:.1f} min"
    )


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"


def _count(number: float) -> str:
    """A large number with a prefix: 3.2 T."""
    if not number:
        return ""
    for prefix in ("", " k", " M", " G", " T", " P"):
        if number < 1000:
            return f"{number:.3g}{prefix}"
        number /= 1000
    return f"{number:,.3g} E"
