"""What the probes found suspicious, or that they found nothing."""

from tradeoff.artifacts.audits import audit_note
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table


def make(results: Results) -> Table:
    """Set one row per flag, as words; a single row says so when there is none."""
    flags = results.flags
    rows = [[Cell(row["run"]), Cell(row["probe"]), Cell(row["flag"])] for row in flags.to_dict("records")]
    if not rows:
        rows = [[Cell("all"), Cell("all"), Cell("none raised")]]
    caption = (
        f"{results.study['study']['title']}: {len(flags) or 'no'} flag{'' if len(flags) == 1 else 's'} raised by the"
        f" probes of {len(results.study['runs'])} runs.{audit_note(results)}"
    )
    return Table(caption, ["Run", "Probe", "What was noticed"], rows, flags, left=3)
