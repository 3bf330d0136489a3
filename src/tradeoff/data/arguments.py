"""Packed datasets on a script's command line: `--data reference=folder`, once for each."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from tradeoff.errors import UserError


def add_data(parser: argparse.ArgumentParser, what: str) -> None:
    """Let a parser take the option. what: which datasets it is for, to be read in the help."""
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="REFERENCE=FOLDER",
        help=f"{what}, packed; repeatable",
    )


def folders(values: Iterable[str]) -> dict[str, Path]:
    """Return the folders by dataset reference; UserError for a value that is no `reference=folder`."""
    found = {}
    for value in values:
        reference, _, folder = value.partition("=")
        if not folder:
            raise UserError("--data", repr(value), "reference=folder")
        found[reference] = Path(folder)
    return found
