"""How many test images and seeds the numbers of a table are of, for its caption."""

import pandas as pd

from tradeoff.artifacts.curves import images_noted


def counted(table: pd.DataFrame, images: str = "n") -> str:
    """Return `; n = 250 test images, 3 seeds`, a range where rows differ.

    table: the rows shown, with a column of test images, called `images`, and a column seeds.
    """
    return f"; {images_noted(table.rename(columns={images: 'n'}))}, {seeds_counted(table)}"


def seeds_counted(table: pd.DataFrame) -> str:
    """Return `one seed`, `3 seeds` or `1 to 3 seeds`: how many seeds the rows of a table are means of."""
    fewest, most = int(table["seeds"].min()), int(table["seeds"].max())
    if most == 1:
        return "one seed"
    return f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"
