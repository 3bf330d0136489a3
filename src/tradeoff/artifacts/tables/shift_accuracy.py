"""Accuracy on shifted domains at the end of fine-tuning, and how it went along with accuracy and robustness."""

import numpy as np
import pandas as pd

from tradeoff.analysis.adaptation import correlation
from tradeoff.analysis.points import PANEL, points
from tradeoff.analysis.seeds import over_seeds
from tradeoff.analysis.shift import INSIDE, OUTSIDE, mean_over_test_sets, shifted
from tradeoff.analysis.study_file import probes_of_kind
from tradeoff.artifacts.curves import images_noted
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.tables.counts import seeds_counted
from tradeoff.artifacts.tables.shares import share_cells
from tradeoff.artifacts.text import signed, two_noted

SHARES = {"In-distribution": INSIDE, "Out-of-distribution": OUTSIDE}
CORRELATIONS = {"r with accuracy": "with_accuracy", "r with robustness": "with_robustness"}


def make(results: Results) -> Table:
    """Set one row per panel and strategy (each variant of a sweep its own), means over test sets and seeds."""
    probed = results.probes[results.probes["probe"].isin(probes_of_kind(results.study, "shift"))]
    data = _tracked(results, probed)
    shown = {title: name for title, name in CORRELATIONS.items() if data[name].notna().any()}
    rows = []
    for panel in results.panels:
        block = panel.rows(data)
        columns = [share_cells(block, *names) for names in SHARES.values()]
        columns += [[_correlation(value) for value in block[name]] for name in shown.values()]
        for index, row in enumerate(block.to_dict("records")):
            name = f"{look(row['family']).label} {row['variant']}".strip()
            sets = Cell(str(row["test_sets"]))
            rows.append([Cell(panel.name), Cell(name), sets, *(column[index] for column in columns)])
    robust = f", and with robust accuracy ({results.threat_label}) there" if len(shown) > 1 else ""
    own = probed["test_set"] == probed["dataset"]
    images = f"{images_noted(probed[own])} of its own, {images_noted(probed[~own])} in a shifted set"
    caption = (
        f"{results.study['study']['title']}: accuracy in percent at the last snapshot on the run's own test set, and"
        f" its mean over the shifted ones, with 95% intervals{two_noted(data['seeds'])};"
        f" {images}, {seeds_counted(data)}. r: Pearson's correlation, over a run's snapshots, of"
        f" that mean with accuracy on its own test set{robust}; a mean over seeds, which describes these"
        " snapshots and has no interval. Bold: best of its dataset; underlined: second."
    )
    return Table(caption, ["Trained on", "Strategy", "Test sets", *SHARES, *shown], rows, data, left=2)


def _tracked(results: Results, probed: pd.DataFrame) -> pd.DataFrame:
    """One row per panel and strategy: what the table shows, unrounded. probed: the rows of shift probes."""
    snapshots = mean_over_test_sets(shifted(probed))
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
    by_run = pd.DataFrame(rows)
    kept = [*PANEL, "family", "strategy", "variant", "test_sets"]
    joined = over_seeds(by_run, kept, list(SHARES.values()))
    described = by_run.groupby(kept, sort=False, dropna=False)[list(CORRELATIONS.values())].mean()
    return joined.merge(described.reset_index(), on=kept)


def _correlation(value: float) -> Cell:
    return Cell("—" if np.isnan(value) else signed(value, 2))
