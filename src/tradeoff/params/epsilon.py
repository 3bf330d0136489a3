"""Epsilons are written as in papers, `4/255`, and parsed once, here."""

import re
from fractions import Fraction

# What a params file may hold; the JSON schema uses the same pattern.
PATTERN = r"^[0-9]+(\.[0-9]+)?(/[1-9][0-9]*(\.[0-9]+)?)?$"
EXPECTED = "a number, or a fraction such as 4/255"
# Nothing on pixels in [0, 1] is farther away, in any norm and at any size of image.
LARGEST = 1000
# The same as limits of one field, without alternatives.
LIMITS = {"type": ["number", "string"], "minimum": 0, "maximum": LARGEST, "pattern": PATTERN}
SCHEMA = {
    "anyOf": [{"type": "number", "minimum": 0, "maximum": LARGEST}, {"type": "string", "pattern": PATTERN}],
    "description": EXPECTED,
}


def parse_epsilon(value: str | int | float) -> float:
    """Return the epsilon that `value` states: a number, or a string such as ``"4/255"`` or ``"0.5"``.

    ValueError when it is neither, has a zero denominator, or lies outside [0, LARGEST].
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is not {EXPECTED}")
    epsilon: Fraction | float = _fraction(value) if isinstance(value, str) else value
    if not 0 <= epsilon <= LARGEST:
        raise ValueError(f"{str(value)[:20]} is not between 0 and {LARGEST}, {EXPECTED}")
    return float(epsilon)


def _fraction(text: str) -> Fraction:
    stripped = text.replace(" ", "")
    if not re.match(PATTERN, stripped):
        raise ValueError(f"{text!r} is not {EXPECTED}")
    numerator, _, denominator = stripped.partition("/")
    return Fraction(numerator) / Fraction(denominator or "1")


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
