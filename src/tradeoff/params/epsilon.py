"""Epsilons are written as in papers, `4/255`, and parsed once, here."""

import re
from fractions import Fraction

# What a params file may hold; the JSON schema uses the same pattern.
PATTERN = r"^[0-9]+(\.[0-9]+)?(/[1-9][0-9]*(\.[0-9]+)?)?$"
EXPECTED = "a number between 0 and 1, or a fraction of one such as 4/255"


def parse_epsilon(value: str | int | float) -> float:
    """Return the epsilon that `value` states: a number, or a string such as ``"4/255"`` or ``"0.5"``.

    ValueError when it is neither, or has a zero denominator.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is not {EXPECTED}")
    if not isinstance(value, str):
        return float(value)
    text = value.replace(" ", "")
    if not re.match(PATTERN, text):
        raise ValueError(f"{value!r} is not {EXPECTED}")
    numerator, _, denominator = text.partition("/")
    return float(Fraction(numerator) / Fraction(denominator or "1"))


def format_epsilon(epsilon: float) -> str:
    """Return an epsilon as papers write it: `4/255` when it is a multiple of 1/255 (to 1e-9), else decimals.

    Halves and quarters of 1/255 keep the denominator too (`0.5/255`); above 1/4 decimals read better.
    """
    scaled = epsilon * 255
    if epsilon == 0:
        return "0"
    if abs(scaled * 4 - round(scaled * 4)) < 1e-6 and epsilon <= 0.25:
        return f"{round(scaled * 4) / 4:g}/255"
    return f"{epsilon:g}"
