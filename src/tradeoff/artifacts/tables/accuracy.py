"""Accuracy and robust accuracy of every strategy: at the end of fine-tuning, and where robustness peaked."""

from tradeoff.analysis.metrics import last_and_peak
from tradeoff.analysis.study_file import expected_up_to
from tradeoff.artifacts.audits import audit_note
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.tables.counts import counted
from tradeoff.artifacts.tables.shares import share_cells
from tradeoff.artifacts.text import two_noted
from tradeoff.params.epsilon import format_epsilon

# Column titles and the columns of `last_and_peak` behind them: value, lower and upper limit.
MEASURES = {
    "Accuracy": ("accuracy", "low", "high"),
    "Robust accuracy": ("robustness", "robustness_low", "robustness_high"),
    "Expected robustness": ("expected", "expected_low", "expected_high"),
    "Peak robust accuracy": ("peak_robustness", "peak_robustness_low", "peak_robustness_high"),
    "Accuracy there": ("peak_accuracy", "peak_accuracy_low", "peak_accuracy_high"),
}


def make(results: Results) -> Table:
    """Set one row per panel and strategy (each variant of a sweep its own), in percent with intervals."""
    data = last_and_peak(results.study, results.probes)
    rows = []
    for panel in results.panels:
        block = panel.rows(data)
        columns = [share_cells(block, *names) for names in MEASURES.values()]
        steps = [Cell(f"{step:,}") for step in block["peak_step"]]
        for index, row in enumerate(block.to_dict("records")):
            name = f"{look(row['family']).label} {row['variant']}".strip()
            rows.append([Cell(panel.name), Cell(name), *(column[index] for column in columns), steps[index]])
    caption = (
        f"{results.study['study']['title']}: accuracy and robust accuracy ({results.threat_label}) in percent, at"
        " the last snapshot and where robust accuracy peaked, with 95% intervals, of expected robustness"
        f" at least 95%{two_noted(data['seeds'])}{counted(data)}. Expected robustness: {_averaged(results)}. Peaks are"
        " picked on the test images and so optimistic. Bold: best strategy of a dataset; underlined:"
        f" second.{audit_note(results)}"
    )
    return Table(caption, [results.panel_title, "Strategy", *MEASURES, "At step"], rows, data, left=2)


def _averaged(results: Results) -> str:
    """What expected robustness is a mean of, for the caption."""
    largest = expected_up_to(results.study, results.threat.probe)
    if largest == 0:
        return "none, as no perturbation size up to tradeoff.expected_up_to was probed"
    return f"the mean over perturbation sizes from 0 to {format_epsilon(largest)}"
