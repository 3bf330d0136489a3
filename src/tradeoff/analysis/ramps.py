"""Schedules told apart by when their ramp starts and ends."""

import pandas as pd

from tradeoff.analysis.cells import CELL
from tradeoff.analysis.methods import methods
from tradeoff.analysis.study_file import StudyFile
from tradeoff.schedules import in_epochs

# The parameters that are T1 and T2; where there are none, both are 0.
STATED = {"rft_fix": ("t1", "t2"), "rft_sched": ("t1", "t2"), "rft_switch": ("at", "at")}


def ramp_times(study: StudyFile, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of schedules, with T1 and T2 as trained in the columns t1 and t2, as shares of all epochs.

    table: rows with the columns of a cell, and objective. The schedules are `rft_sched`, `rft_switch` with T1 = T2,
    and `rft_fix` with T1 = T2 = 0. A quarter of 50 epochs is trained as 12 of them, so its share is 0.24.
    """
    known = methods(study)
    times: dict[tuple[str, ...], tuple[float, ...]] = {}
    for run in study["runs"]:
        family, params = run["objective_family"], known[run["objective"]].params
        place = (*(run[key] for key in CELL), run["objective"])
        if family in STATED:
            times[place] = tuple(
                in_epochs(params.get(name, 0), run["epochs"]) / run["epochs"] for name in STATED[family]
            )
    places = list(zip(*(table[key] for key in (*CELL, "objective")), strict=True))
    kept = [place for place in places if place in times]
    rows = table[[place in times for place in places]]
    return rows.assign(t1=[times[place][0] for place in kept], t2=[times[place][1] for place in kept])
