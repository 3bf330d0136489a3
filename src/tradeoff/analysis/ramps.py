"""Schedules told apart by when their ramp starts and ends."""

import pandas as pd

from tradeoff.analysis.methods import methods
from tradeoff.analysis.study_file import StudyFile


def ramp_times(study: StudyFile, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of schedules, with their T1 and T2 as shares of all epochs in the columns t1 and t2.

    table: rows with a column objective. The schedules are `rft_sched`, and `rft_fix` with T1 = T2 = 0.
    """
    times = {}
    for objective, method in methods(study).items():
        if method.family == "rft_fix":
            times[objective] = (0.0, 0.0)
        elif method.family == "rft_sched":
            recipe = study["params"]["training"] | method.training
            times[objective] = (
                _share(method.params["t1"], recipe["epochs"]),
                _share(method.params["t2"], recipe["epochs"]),
            )
    rows = table[table["objective"].isin(times)]
    return rows.assign(
        t1=rows["objective"].map(lambda name: times[name][0]),
        t2=rows["objective"].map(lambda name: times[name][1]),
    )


def _share(stated: float, epochs: float) -> float:
    """A time as params state it, a share up to 1 and epochs above, as a share; rounded, so that equal ones meet."""
    return round(stated if stated <= 1 else stated / epochs, 9)
