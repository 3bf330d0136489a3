"""What two probes of one run cannot both be right about.

Within one probe accuracy cannot rise with ε, by construction (`tradeoff.attacks.engine.sweep`); between probes it can,
when one of them looked at other images, put the model into another mode, or attacks too weakly.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from tradeoff.params.epsilon import format_epsilon
from tradeoff.probes.flags import BLACK_BOX, ENOUGH

Row = Mapping[str, Any]
# As many verdicts as random starts and precisions may change.
TOLERANCE = BLACK_BOX


def contradictions(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Return {probe, flag} for every pair of rows that contradict each other.

    rows: those of all probes of one run (columns probe, step, test_set, threat, epsilon, n, correct); epsilon is 0
    without attack, None under corruptions. Compared are rows of different probes, and of the same snapshot, test set
    and number of samples.
    """
    places: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row["epsilon"] is not None and row["n"] >= ENOUGH:
            places.setdefault((row["step"], row["test_set"], row["n"]), []).append(row)
    return [
        {"probe": attacked["probe"], "flag": f"step {attacked['step']}: {words}"}
        for same in places.values()
        for first, second in combinations(same, 2)
        if first["probe"] != second["probe"]
        for attacked, words in _contradiction(*sorted((first, second), key=_size))
    ]


def _size(row: Row) -> float:
    return float(row["epsilon"])


def _contradiction(smaller: Row, larger: Row) -> Iterator[tuple[Row, str]]:
    """What is wrong with a pair, the one with the smaller ε first, and which of the two to look at."""
    excess = larger["correct"] - smaller["correct"]
    if larger["epsilon"] == 0:
        excess, words = abs(excess), "the same images are not judged alike without attack"
    elif smaller["epsilon"] == 0:
        words = "robustness above accuracy"
    elif smaller["threat"] == larger["threat"] and smaller["epsilon"] < larger["epsilon"]:
        words = "robustness rises with epsilon"
    else:
        return
    if excess > TOLERANCE * larger["n"]:
        yield larger, f"{words}: {_result(smaller)}, {_result(larger)}; suspect {_cause(larger)}"


def _result(row: Row) -> str:
    at = f"at {format_epsilon(row['epsilon'])}" if row["epsilon"] else "clean"
    return f"{row['correct']}/{row['n']} {at} ({row['probe']})"


def _cause(row: Row) -> str:
    if row["epsilon"] == 0:
        return "other images, precision or modes of the model"
    return "other images or modes of the model, or an attack too weak"
