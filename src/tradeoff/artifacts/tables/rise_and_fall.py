"""How robust accuracy rose and fell while each strategy fine-tuned, and what clean accuracy did meanwhile."""

from typing import Any

from tradeoff.analysis.courses import CHANGES
from tradeoff.analysis.points import under
from tradeoff.artifacts.audits import audit_note
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.tables.counts import counted
from tradeoff.artifacts.text import interval, signed, two_noted

HEADER = ["First", "Peak", "Highest at step", "Last", "Rise", "Fall", "Accuracy meanwhile"]


def make(results: Results) -> Table:
    """Set one row per panel and strategy (each variant of a sweep its own), at the headline's threat."""
    data = results.courses
    shown = under(data, results.threat)
    rows = []
    for panel in results.panels:
        for row in panel.rows(shown).to_dict("records"):
            name = f"{look(row['family']).label} {row['variant']}".strip()
            shares = [Cell(f"{row[key] * 100:.1f}") for key in ("first", "peak", "last")]
            changes = [_change(row, name) for name in CHANGES]
            step = Cell(f"{row['peak_step']:,.0f}")
            rows.append([Cell(panel.name), Cell(name), *shares[:2], step, shares[2], *changes])
    confidence = results.study["params"]["tradeoff"]["confidence"]
    caption = (
        f"{results.study['study']['title']}: robust accuracy ({results.threat_label}) in percent at the first snapshot,"
        " at its peak and at the last one; how far it rose to the peak and fell from there, and by how much clean"
        f" accuracy changed from there to the end, in points with {confidence * 100:g}% intervals"
        f"{two_noted(shown['seeds'])}{counted(shown, 'samples')}."
        " Each half of the test samples is measured at the peak of the other half, so that noise makes no peak;"
        " a change without an interval is 0 for every sample, as a fall is from a peak at the last snapshot."
        f"{audit_note(results)}"
    )
    return Table(caption, [results.panel_title, "Strategy", *HEADER], rows, data, left=2)


def _change(row: dict[Any, Any], name: str) -> Cell:
    low, high = (row[f"{name}_{side}"] * 100 for side in ("low", "high"))
    return Cell(signed(row[name] * 100, 1), interval(low, high, 1))
