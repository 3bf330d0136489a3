"""How fast a probe is, beside what others would use, with the robust accuracies that each finds.

    TRADEOFF_MIRROR=/path/to/mirror python -m benchmarks.probe --json probe.json --table probe.md
        [--contests hard,easy,...] [--repeats 2] [--device cpu] [--threads 1]

The contests are listed in CONTESTS: PGD-15 (linf; ours counts any iterate, the peers the last) at epsilons where about
11% and 60% of the images stay robust while 74% are classified correctly, on a small ViT and on one of ViT-B's size;
sweeps of five epsilons; AutoAttack; and the share of the machine's matrix-product peak that forward and backward
reach. Contenders take turns; numbers are medians. Passes (one image, forward or backward) repeat exactly on any
machine. On the CPU seconds are processor time, with one thread,
so that what else runs disturbs them least. Wants the mirror's vit_tiny32 and cifar10 (TRADEOFF_MIRROR);
without it, the model is a small convolutional net trained on scikit-learn's digits.
"""

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.peak import share_of_peak
from benchmarks.peers import foolbox_pgd, plain_loop, pyautoattack, torchattacks_pgd
from benchmarks.races import is_ours, race
from benchmarks.subjects import (
    PGD,
    Subject,
    load_subject,
    load_vit_base,
    small_convolutional,
    small_digits,
)
from tradeoff.attacks.engine import attack, sweep
from tradeoff.attacks.oracle import Compute
from tradeoff.attacks.threat import threat

HARD, EASY = {"robust": 0.11}, {"robust": 0.60}
TOLERANCE = 0.025


@dataclass(frozen=True)
class Contest:
    """One race.

    subject: of SUBJECTS. run: the race on it, given its largest epsilon and the repeats. at: that epsilon, or the share
    of images that should resist it. goal: how many times as long the best peer should take as our fastest.
    """

    what: str
    subject: str
    images: int
    at: dict[str, float]
    goal: float
    run: Callable[[Subject, float, int], dict[str, Any]]
    repeats: int = 2


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Time probes beside their peers.")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    parser.add_argument("--table", type=Path, help="write the Markdown table here too")
    parser.add_argument("--contests", default=",".join([*CONTESTS, "peak"]), help="default: all")
    parser.add_argument("--repeats", type=int, help="of every contest, instead of its own")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    report: dict[str, Any] = {
        "machine": {"processor": platform.processor(), "cores": os.cpu_count(), "threads": arguments.threads},
        "torch": torch.__version__,
        "device": str(device),
    }
    for name in arguments.contests.split(","):
        if name == "peak":
            report[name] = share_of_peak(device, arguments.repeats or 5)
        else:
            report[name] = hold(CONTESTS[name], device, arguments.repeats)
        print(json.dumps({name: report[name]}), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(report, indent=1) + "\n")
        if arguments.table:
            arguments.table.write_text(table(report))
    print(table(report))


def hold(contest: Contest, device: torch.device, repeats: int | None) -> dict[str, Any]:
    subject = _subject(contest.subject, contest.images, device)
    epsilon = contest.at.get("epsilon") or subject.epsilon_for(contest.at["robust"], TOLERANCE)
    return {
        "what": contest.what,
        "model": subject.name,
        "images": len(subject.labels),
        "clean_accuracy": subject.accuracy(),
        "epsilon": epsilon,
        "goal": contest.goal,
    } | contest.run(subject, epsilon, repeats or contest.repeats)


def pgd(subject: Subject, epsilon: float, repeats: int) -> dict[str, Any]:
    contenders = {
        "ours": lambda: subject.ours(epsilon),
        "ours, bf16": lambda: subject.ours(epsilon, "bf16"),
        "plain loop": lambda: plain_loop(subject, epsilon),
        "plain loop, bf16": lambda: plain_loop(subject, epsilon, "bf16"),
        "foolbox": lambda: foolbox_pgd(subject, [epsilon])[0],
    }
    if find_spec("torchattacks"):
        contenders["torchattacks"] = lambda: torchattacks_pgd(subject, epsilon)
    return race(subject.model, contenders, repeats, subject.device)


def five(subject: Subject, top: float, repeats: int) -> dict[str, Any]:
    """Five epsilons, evenly spaced: our one sweep against the peers' five attacks."""
    epsilons = [top * k / 5 for k in range(1, 6)]

    def ours() -> list[float]:
        found = sweep(
            subject.model,
            subject.images,
            subject.labels,
            subject.ids,
            threat(PGD, top),
            epsilons,
            seed=0,
            compute=Compute(subject.batch),
        ).first_failure
        return [float((found > rank).mean()) for rank in range(1, 6)]

    contenders = {
        "ours": ours,
        "plain loop": lambda: [plain_loop(subject, epsilon) for epsilon in epsilons],
        "foolbox": lambda: foolbox_pgd(subject, epsilons),
    }
    return {"epsilons": epsilons} | race(subject.model, contenders, repeats, subject.device)


def autoattack(subject: Subject, epsilon: float, repeats: int) -> dict[str, Any]:
    """AutoAttack, standard version, against pyautoattack."""

    def ours() -> float:
        spec = threat({"attack": "autoattack"}, epsilon)
        result = attack(
            subject.model,
            subject.images,
            subject.labels,
            subject.ids,
            spec,
            seed=0,
            compute=Compute(subject.batch),
        )
        return float(1 - result.fooled.mean())

    contenders = {"ours": ours, "pyautoattack": lambda: pyautoattack(subject, epsilon)}
    return race(subject.model, contenders, repeats, subject.device)


def table(report: dict[str, Any]) -> str:
    """Return the Markdown tables of a report."""
    lines = [
        "| contest | contender | robust | passes | seconds | times as long as ours | as ours, bf16 | goal |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in report.values():
        if isinstance(row, dict) and "times" in row:
            lines += _rows(row)
    if "peak" in report:
        lines += [
            "",
            "| ViT-B/16 at 224 pixels | images/s | GFLOP/s | matrix product | share |",
            "|---|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {name} | {row['images_per_second']:.2f} | {row['gflops']:.0f} | {row['product_gflops']:.0f} "
            f"| {row['share']:.0%} |"
            for name, row in report["peak"].items()
        ]
    return "\n".join(lines) + "\n"


def _rows(row: dict[str, Any]) -> list[str]:
    title = f"{row['what']}: {row['model']}, {row['images']} images, {row['clean_accuracy']:.0%} correct"
    lines = []
    for name, seconds in row["seconds"].items():
        ratios = [
            "" if is_ours(name) or mine not in row["times"] else _ratio(row["times"][mine][name])
            for mine in ("ours", "ours, bf16")
        ]
        goal = "" if is_ours(name) else f"{row['goal']:g}"
        cells = [title, name, _percent(row["found"][name]), f"{row['passes'][name]:,}", f"{seconds:.1f}"]
        lines.append(f"| {' | '.join([*cells, *ratios, goal])} |")
        title = ""
    return lines


def _ratio(spread: list[float]) -> str:
    return "{:.2f} ({:.2f}–{:.2f})".format(*spread)


def _percent(share: float | list[float]) -> str:
    return " ".join(f"{each:.0%}" for each in (share if isinstance(share, list) else [share]))


@cache
def _subject(name: str, images: int, device: torch.device) -> Subject:
    torch.manual_seed(0)
    return SUBJECTS[name](device, images)


def _digits(width: int, device: torch.device, images: int) -> Subject:
    return small_digits(device, images, 128, small_convolutional(width))


SUBJECTS: dict[str, Callable[[torch.device, int], Subject]] = {
    "vit_tiny32": lambda device, images: load_subject(device, images, 64),
    "vit_base": lambda device, images: load_vit_base(device, images, 32),
    "digits": partial(_digits, 32),
    "wide": partial(_digits, 64),
}
CONTESTS = {
    "hard": Contest("PGD-15, hard", "vit_tiny32", 64, HARD, 3.2, pgd),
    "easy": Contest("PGD-15, easy", "vit_tiny32", 64, EASY, 1.5, pgd),
    "vit_base_hard": Contest("PGD-15, hard", "vit_base", 48, HARD, 4, pgd, repeats=1),
    "vit_base_easy": Contest("PGD-15, easy", "vit_base", 36, EASY, 2.3, pgd, repeats=1),
    "even": Contest("five epsilons, evenly spaced", "vit_tiny32", 64, HARD, 4, five, repeats=1),
    "fixed": Contest("1/255 to 5/255", "vit_tiny32", 64, {"epsilon": 5 / 255}, 4, five, repeats=1),
    "autoattack": Contest("AutoAttack", "digits", 128, HARD, 2, autoattack),
    "autoattack_wide": Contest("AutoAttack", "wide", 128, HARD, 2, autoattack),
}


if __name__ == "__main__":
    main()
