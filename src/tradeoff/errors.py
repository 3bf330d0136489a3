"""The one exception for mistakes a user can mend: a single clear line, never a stack trace."""

LONGEST_WORD = 300


class UserError(Exception):
    """A mistake in params, data or environment.

    where: the key or file at fault, as the user knows it (``strategies.lora.rank``).
    found: what was found there.
    expected: what would have been right.
    do: what to do about it, where that is not obvious.
    """

    def __init__(self, where: str, found: str, expected: str, do: str = "") -> None:
        line = f"{where}: found {found}; expected {expected}"
        if do:
            line += f"; {do}"
        super().__init__(" ".join(map(_legible, line.split())))
        self.where, self.found, self.expected, self.do = where, found, expected, do

    def __reduce__(self) -> tuple[type["UserError"], tuple[str, str, str, str]]:
        return UserError, (self.where, self.found, self.expected, self.do)


def _legible(word: str) -> str:
    """A word as a terminal may show it: no control characters, and not a page long."""
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in word)
    return shown if len(shown) <= LONGEST_WORD else f"{shown[: LONGEST_WORD - 3]}..."
