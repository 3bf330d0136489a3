"""One style for every figure: sizes for two-column papers, fonts, the key, and files that repeat byte for byte."""

import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from tradeoff.artifacts.looks import Look, look
from tradeoff.files import whole_file

# Inches: a column of a paper, and both with what is between. Figures have one of these widths, so none is scaled, and
# letters stay as large as they are here.
ONE_COLUMN, TWO_COLUMNS = 3.3, 6.9
# Inches that a page's text leaves for a figure above a caption.
PAGE = 8.6
# Pixels of an inch of a PNG, and letters of a note in an inch.
PER_INCH, LETTERS = 200, 19
# The axes that hold nothing but a key, where panels leave room for them.
KEY = "key"

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib ships it, so every machine has the same
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 7,
    "figure.titlesize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.columnspacing": 1.2,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,  # TrueType: text stays text
    "text.parse_math": False,  # names may hold any character
}


def figure(width: float, height: float) -> Figure:
    """Return an empty figure, inches; call it, and draw, within `styled()`."""
    return Figure(figsize=(width, height))


def styled() -> AbstractContextManager[None]:
    """Return the context in which figures are drawn and saved."""
    return matplotlib.rc_context(RC)


def key(fig: Figure, families: Sequence[str]) -> None:
    """Put the one key of a figure's strategies where its panels leave room, or in a strip above them."""
    key_of(fig, [handle(look(family)) for family in families])


def handle(one: Look) -> Line2D:
    """Return what stands for a look in a key."""
    return Line2D([], [], label=one.label, **one.line_style())


def key_of(fig: Figure | SubFigure, handles: Sequence[Line2D], title: str | None = None) -> None:
    """Put a key of any lines where `key` does, in a figure or in a part of one."""
    if spare := room_for_key(fig):
        spare.legend(handles=list(handles), title=title, loc="center left", alignment="left")
        return
    widest = max(len(str(one.get_label())) for one in handles)
    # Roughly: a character of 7 pt is 0.055 inches wide, a handle with its gaps 0.4.
    columns = max(1, int(fig.bbox.width / fig.dpi / (0.055 * widest + 0.4)))
    rows = -(-len(handles) // columns)
    columns = -(-len(handles) // rows)
    fig.legend(handles=list(handles), title=title, loc="outside upper center", ncols=columns)


def room_for_key(fig: Figure | SubFigure) -> Axes | None:
    """Return the axes that panels leave for a key, if they do (`panels.leave_room`)."""
    return next((axes for axes in fig.axes if axes.get_label() == KEY), None)


def note(fig: Figure | SubFigure, text: str) -> None:
    """Put what all panels share (threat, samples, what bands mean) below them, small, in as many lines as it needs."""
    letters = int(LETTERS * fig.bbox.width / fig.dpi)
    fig.supxlabel(textwrap.fill(text, letters), fontsize=6.5, color="0.35", x=0.01, ha="left")


def save(pages: Sequence[Figure], data: pd.DataFrame, output: Path) -> None:
    """Write output.pdf, output.png, of the first page, and output.csv; equal input gives equal bytes."""
    for page in pages:
        _lower_indices(page)
    nothing: dict[str, Any] = dict.fromkeys(("CreationDate", "ModDate", "Producer", "Creator"))
    with (
        whole_file(output.with_name(f"{output.name}.pdf")) as temporary,
        PdfPages(temporary, metadata=nothing) as pdf,
    ):
        for page in pages:
            pdf.savefig(page)
    with whole_file(output.with_name(f"{output.name}.png")) as temporary:
        pages[0].savefig(temporary, format="png", dpi=PER_INCH, metadata={"Software": None})
    with whole_file(output.with_name(f"{output.name}.csv")) as temporary:
        data.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def _lower_indices(fig: Figure) -> None:
    """Set ε_g as papers do, its g below the line."""
    for text in fig.findobj(Text):
        words = text.get_text()
        if "ε_g" in words:
            text.set_parse_math(True)
            text.set_text(words.replace("$", r"\$").replace("ε_g", "ε$_g$"))
