"""Numbers as figures and tables print them."""

import math


def signed(value: float, decimals: int) -> str:
    """Return a number with its sign, a true minus where negative; 0 has none."""
    rounded = round(value, decimals)
    sign = "" if rounded == 0 else "+" if rounded > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(rounded):.{decimals}f}"


def interval(low: float, high: float, decimals: int) -> str:
    """Return `[low, high]`, or nothing when there is no interval."""
    return "" if math.isnan(low) or math.isnan(high) else f"[{low:.{decimals}f}, {high:.{decimals}f}]"
