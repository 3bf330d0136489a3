"""Accuracy on shifted domains at the end of fine-tuning, and how it went along with accuracy and robustness."""

import numpy as np
import pandas as pd

from tradeoff.analysis.adaptation import correlation
from tradeoff.analysis.points import PANEL, points
from tradeoff.analysis.shift import shifted
from tradeoff.analysis.study_file import RUN_COLUMNS, probes_of_kind
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.tables.shares import share_cells
from tradeoff.artifacts.text import signed

SHARES = {"In-distribution": "inside", "Out-of-distribution": "outside"}
CORRELATIONS = {"r with accuracy": "with_accuracy", "r with robustness": "with_robustness"}


def make(results: Results) -> Table:
    """Set one row per panel and strategy (each variant of a sweep its own), means over test sets and seeds."""
    data = _tracked(results)
    shown = {title: name for title, name in CORRELATIONS.items() if data[name].notna().any()}
    rows = []
    for panel in results.panels:
        block = panel.rows(data)
        columns = [share_cells(block, name) for name in SHARES.values()]
        columns += [[_correlation(value) for value in block[name]] for name in shown.values()]
        for index, row in enumerate(block.to_dict("records")):
            name = f"{look(row['family']).label} {row['variant']}".strip()
            sets = Cell(str(row["test_sets"]))
            rows.append([Cell(panel.name), Cell(name), sets, *(column[index] for column in columns)])
    robust = f", and with robust accuracy ({results.threat_label}) there" if len(shown) > 1 else ""
    caption = (
        f"{results.study['study']['title']}: accuracy in percent at the last snapshot on the run's own test set, and"
        " its mean over the shifted ones. r: Pearson's correlation, over a run's snapshots, of that mean with accuracy"
        f" on its own test set{robust}; a mean over seeds. Bold: best of its dataset; underlined: second."
    )
    return Table(caption, ["Trained on", "Strategy", "Test sets", *SHARES, *shown], rows, data, left=2)


def _tracked(results: Results) -> pd.DataFrame:
    """One row per panel and strategy: what the table shows, unrounded."""
    shifts = probes_of_kind(results.study, "shift")
    keys = [*RUN_COLUMNS, "step"]
    snapshots = shifted(results.probes[results.probes["probe"].isin(shifts)])
    snapshots = (
        snapshots.groupby(keys, sort=False, dropna=False)
        .agg(inside=("inside", "mean"), outside=("outside", "mean"), test_sets=("test_set", "nunique"))
        .reset_index()
    )
    if probes_of_kind(results.study, "attack"):
        attacked = points(results.probes, results.threat)[["run", "step", "robustness"]]
        snapshots = snapshots.merge(attacked, on=["run", "step"], how="left")
    else:
        snapshots["robustness"] = np.nan
    rows = []
    for _, run in snapshots.groupby("run", sort=False):
        run = run.sort_values("step")
        rows.append(
            run.iloc[-1].to_dict()
            | {
                "with_accuracy": correlation(run["outside"], run["inside"]),
                "with_robustness": correlation(run["outside"], run["robustness"]),
            }
        )
    kept = [*PANEL, "family", "strategy", "variant", "test_sets"]
    values = [*SHARES.values(), *CORRELATIONS.values()]
    by_run = pd.DataFrame(rows)
    table: pd.DataFrame = by_run.groupby(kept, sort=False, dropna=False)[values].mean().reset_index()
    return table


def _correlation(value: float) -> Cell:
    return Cell("—" if np.isnan(value) else signed(value, 2))
