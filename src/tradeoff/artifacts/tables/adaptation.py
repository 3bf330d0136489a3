"""When task adaptation began under each objective, how late, and what it cost in the end."""

import numpy as np
import pandas as pd

from tradeoff.analysis.adaptation import adaptation, correlation, transfer
from tradeoff.analysis.cells import CELL, METHOD_AND_FAMILY, finals
from tradeoff.artifacts.comparisons import varied, words
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.text import signed
from tradeoff.params.epsilon import format_epsilon


def make(results: Results) -> Table:
    """Set one row per cell, ε_g and objective, means over seeds; the caption has the correlations."""
    runs = transfer(
        finals(results.study, results.probes, results.threat.probe),
        adaptation(results.study, results.training),
    )
    values = ["onset", "delay", "clean", "severity", "best_epoch", "best_validation", "last_validation"]
    grouped = runs.groupby(list(METHOD_AND_FAMILY), sort=False)
    data = grouped[values].mean().assign(reached=grouped["reached"].sum(), seeds=grouped.size()).reset_index()
    shown = varied(results)
    rows = []
    blocks = [block for _, block in data.groupby(["epsilon_g", *CELL], sort=False)]
    for row in pd.concat(blocks).sort_values("epsilon_g", kind="stable").to_dict("records"):
        about = [words(results, key, row[key]) for key in shown]
        about += [format_epsilon(row["epsilon_g"]), method_look(row["method"]).label]
        late = "" if row["reached"] == row["seeds"] or np.isnan(row["delay"]) else "> "
        numbers = [
            f"{row['onset']:.1f}"
            if row["reached"] == row["seeds"]
            else f"{row['reached']} of {row['seeds']} runs",
            late + _decimal(row["delay"]),
            _percent(row["clean"]),
            "—" if np.isnan(row["severity"]) else signed(row["severity"] * 100, 1),
            _decimal(row["best_epoch"]),
            _percent(row["best_validation"]),
            _percent(row["last_validation"]),
        ]
        rows.append([Cell(text) for text in [*about, *numbers]])
    header = [*map(str.capitalize, shown), "ε_g", "Objective", "Onset", "Delay", "Clean", "Severity"]
    header += ["Best epoch", "Validation there", "At the end"]
    threshold = results.study["params"]["tradeoff"]["onset_accuracy"]
    caption = (
        f"{results.study['study']['title']}: onset of task adaptation, the first epoch with a validation accuracy above"
        f" {threshold:.0%} (where some runs never got there: how many did); delay in epochs after standard fine-tuning;"
        " final clean accuracy, and severity, how many points it lies below standard fine-tuning's; the epoch of the"
        " best validation accuracy (robust where measured), and that accuracy then and at the end."
        f" {_correlations(runs)}"
    )
    return Table(caption, header, rows, data, left=len(shown) + 2)


def _correlations(runs: pd.DataFrame) -> str:
    """How delay goes with severity, and with the final accuracy itself, over the robust runs of all cells."""
    robust = runs[runs["objective_epsilon"] > 0]
    found = []
    for name, title in (("severity", "severity"), ("clean", "final clean accuracy")):
        at = [
            f"{signed(r, 2)} at {format_epsilon(float(str(budget)))}"
            for budget, rows in robust.groupby("epsilon_g")
            if not np.isnan(r := correlation(rows["delay"], rows[name]))
        ]
        found += [f"with {title} {', '.join(at)}"] if at else []
    if not found:
        return "Delay and severity: too few runs that differ for a correlation."
    never = int((~robust["reached"] & robust["delay"].notna()).sum())
    counted = f" ({never} of {len(robust)} never adapted and count with their last epoch)" if never else ""
    return f"Pearson's correlation of delay over the robust runs of all cells{counted}: {'; '.join(found)}."


def _decimal(value: float) -> str:
    return "—" if np.isnan(value) else f"{value:.1f}"


def _percent(value: float) -> str:
    return _decimal(value * 100)
