"""Masked gradients: a black-box probe that finds what the white-box probes of the same run do not."""

from collections.abc import Mapping, Sequence
from typing import Any

from tradeoff.params.epsilon import format_epsilon
from tradeoff.probes.flags import BLACK_BOX, BLACK_BOXES, ENOUGH

# One step is no search: that queries find more than it does says nothing of the gradients.
ONE_STEP = ("fgsm",)


def masked(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return {probe, flag} for every row of a black-box attack less robust than each white-box one allows.

    rows: those of all probes of one run (columns probe, step, test_set, threat, epsilon, n, correct). Compared
    are rows of the same snapshot, test set, number of samples, norm and epsilon; within one probe, a cascade of
    attacks is judged by its own counts (`tradeoff.probes.flags`).
    """
    white: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    black: list[tuple[tuple[Any, ...], Mapping[str, Any]]] = []
    for row in rows:
        if not row["epsilon"]:
            continue  # clean, or under corruptions
        attack, norm = row["threat"].split(" ")
        place = (row["step"], row["test_set"], row["n"], norm, row["epsilon"])
        if attack in BLACK_BOXES:
            black.append((place, row))
        elif attack not in ONE_STEP:
            white.setdefault(place, []).append(row)
    found = []
    for place, row in black:
        others = white.get(place, [])
        strongest = min(others, key=lambda other: other["correct"], default=None)
        if strongest is None or row["n"] < ENOUGH:
            continue
        if strongest["correct"] - row["correct"] > BLACK_BOX * row["n"]:
            found.append({"probe": row["probe"], "flag": _words(row, strongest)})
    return found


def _words(row: Mapping[str, Any], strongest: Mapping[str, Any]) -> str:
    return (
        f"step {row['step']}: the black-box attack leaves {row['correct']}/{row['n']} robust at epsilon"
        f" {format_epsilon(row['epsilon'])}, the strongest white-box probe, {strongest['probe']},"
        f" {strongest['correct']}/{row['n']}: suspect masked gradients"
    )
