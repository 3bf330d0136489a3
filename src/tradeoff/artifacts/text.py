"""Numbers as figures and tables print them, and what has to be said of them."""

import math
from collections.abc import Iterable

from tradeoff.analysis.intervals import STUDENT_FROM


def signed(value: float, decimals: int) -> str:
    """Return a number with its sign, a true minus where negative; 0 has none."""
    rounded = round(value, decimals)
    sign = "" if rounded == 0 else "+" if rounded > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(rounded):.{decimals}f}"


def interval(low: float, high: float, decimals: int) -> str:
    """Return `[low, high]`, a true minus where negative, or nothing when there is no interval."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{low:.{decimals}f}, {high:.{decimals}f}]".replace("-", "\N{MINUS SIGN}")


def two_noted(counts: Iterable[int], what: str = "seeds") -> str:
    """Say what an interval is where so few seeds, or others, were joined that it is none (`intervals.with_seeds`).

    counts: of each number shown, how many were joined.
    """
    return f"; with two {what} they just span both" if any(1 < n < STUDENT_FROM for n in counts) else ""


def few(count: float) -> str:
    """Return how many are expected, `0.6` or `12`: below ten with a decimal, where whole ones would say too little."""
    return f"{count:.1f}" if count < 10 else f"{count:.0f}"
