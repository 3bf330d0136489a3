"""Sanity flags: results that an honest evaluation cannot show, each with words on what to suspect."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

# Above this share of samples, gradients of exactly zero are no accident.
ZERO_GRADIENTS = 0.05
# Below this share of climbs that end higher than they began, the attack does not climb.
RISEN = 0.9
# A black-box attack that fools more than this share after the white-box ones points to masked gradients;
# the limit is AutoAttack's.
BLACK_BOX = 0.002
BLACK_BOXES = ("square",)
# At this linf radius every image can be made plain grey.
ANY_IMAGE = 0.5
# Shortcuts whose verdict differs on more than this share of the audited samples are too bold.
DISAGREED = 0.01
# Too few climbs or samples prove nothing.
ENOUGH = 20


def flags(rows: Sequence[Mapping[str, Any]], diagnostics: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """Return a line for everything suspicious.

    rows: the probe's table (step, test_set, epsilon, n, correct; audited and disagreed where shortcuts were
    taken); under corruptions (epsilon None) there is nothing that cannot be. diagnostics: by step, see
    `tradeoff.attacks.engine.Diagnostics`; empty for probes without attacks.
    """
    found: list[str] = []
    rows = [row for row in rows if row["epsilon"] is not None]
    ordered = sorted(rows, key=lambda row: (row["test_set"], row["step"], row["epsilon"]))
    for (_, step), group in groupby(ordered, key=lambda row: (row["test_set"], row["step"])):
        norm = diagnostics.get(step, {}).get("norm")
        found += [f"step {step}: {words}" for words in _curve(list(group), norm)]
    found += _audits(rows)
    for step, counts in diagnostics.items():
        n = next((row["n"] for row in rows if row["step"] == step), 0)
        found += [f"step {step}: {words}" for words in _search(counts, n)]
    return found


def _audits(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Whether shortcuts changed more verdicts than they may, over all snapshots and epsilons."""
    audited, disagreed = (
        sum(row.get(key) or 0 for row in rows if row["epsilon"] > 0) for key in ("audited", "disagreed")
    )
    if disagreed > DISAGREED * audited:
        yield (
            f"the exact attack judged {disagreed} of {audited} audited verdicts otherwise: the shortcuts are too"
            " bold for this model; raise their safety, or leave them out"
        )


def _curve(rows: Sequence[Mapping[str, Any]], norm: str | None) -> Iterable[str]:
    """What accuracy over epsilon cannot do; rows of one snapshot and test set, epsilon rising."""
    clean = [row["correct"] for row in rows if row["epsilon"] == 0]
    attacked = [row for row in rows if row["epsilon"] > 0]
    for row in attacked:
        if clean and row["correct"] > clean[0]:
            yield (
                f"robustness {row['correct']}/{row['n']} above accuracy {clean[0]}/{row['n']} at epsilon"
                f" {row['epsilon']:.4g}: suspect different images or modes of the model for the two"
            )
    for before, after in pairwise(attacked):
        if after["correct"] > before["correct"]:
            yield (
                f"robustness rises from epsilon {before['epsilon']:.4g} to {after['epsilon']:.4g}:"
                " suspect too few steps or a step size that does not fit"
            )
    for row in attacked:
        if norm == "linf" and row["epsilon"] >= ANY_IMAGE and row["correct"]:
            yield (
                f"{row['correct']}/{row['n']} robust at epsilon {row['epsilon']:.4g}, where any image can be"
                " made grey: suspect an attack too weak, masked gradients, or a model that answers one class"
            )


def _search(counts: Mapping[str, Any], n: int) -> Iterable[str]:
    """What the attack's own counts give away."""
    if broken := counts.get("not_finite", 0):
        yield (
            f"answers, losses or gradients were not finite for {broken} of {n} samples: suspect overflow in bf16 or"
            " fp16, or a broken model; such points fool nobody, so that robustness may be overstated"
        )
    first, zero = counts.get("first_points", 0), counts.get("zero_gradients", 0)
    if first >= ENOUGH and zero > ZERO_GRADIENTS * first:
        yield (
            f"the gradient is exactly zero at {zero} of {first} first points: suspect saturated logits,"
            " quantised inputs or a non-differentiable layer; try the loss dlr, or Square"
        )
    climbs, risen = counts.get("climbs", 0), counts.get("risen", 0)
    if climbs >= ENOUGH and risen < RISEN * climbs:
        yield (
            f"the loss ended higher than it began on only {risen} of {climbs} climbs: suspect a wrong sign,"
            " a step too large, or randomness in the model"
        )
    fooled_by = counts.get("fooled_by", {})
    white = any(name not in BLACK_BOXES for name in fooled_by)  # it took part, though it may have fooled none
    black = sum(number for name, number in fooled_by.items() if name in BLACK_BOXES)
    if white and n >= ENOUGH and black > BLACK_BOX * n:
        yield (
            f"a black-box attack fooled {black} of {n} samples that the white-box attacks left:"
            " suspect masked gradients"
        )
