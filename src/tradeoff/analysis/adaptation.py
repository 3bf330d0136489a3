"""When fine-tuning begins to adapt to its task, how much later under a robust objective, and at what cost.

Ngnawé et al., ICLR 2026: a robust objective delays the onset of task adaptation, and the later it comes, the lower
the final accuracy.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tradeoff.analysis.cells import CELL, KEYS, at_budgets
from tradeoff.analysis.study_file import RUN_COLUMNS, StudyFile
from tradeoff.analysis.validation import ATTACKED


def onset_epoch(epochs: ArrayLike, accuracies: ArrayLike, threshold: float) -> float:
    """Return the first epoch at which validation accuracy lies above a threshold; NaN when it never does.

    epochs: (k,), rising; accuracies: (k,), shares in [0, 1], at the ends of these epochs.
    """
    above = np.flatnonzero(np.asarray(accuracies, dtype=float) > threshold)
    return float(np.asarray(epochs, dtype=float)[above[0]]) if len(above) else float("nan")


def adaptation(study: StudyFile, training: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and ε_g, those of standard fine-tuning once for each ε_g.

    training: tables/training.parquet. Besides the columns of runs and epsilon_g: epochs, how many there were;
    onset, in epochs, NaN when it was never reached; delay, the onset minus that of standard fine-tuning of
    the same cell and seed (NaN without such a run); reached; best_epoch, whose validation accuracy is the
    highest, robust accuracy where it was measured, and best_validation and last_validation, those accuracies.

    # ASSUME: a run that never gets above the threshold counts as if its onset were its last epoch; its
    delay is a lower bound, and `reached` says so. Where standard fine-tuning never gets there, no delay is known.
    """
    threshold = study["params"]["tradeoff"]["onset_accuracy"]
    rows = training.dropna(subset="validation_accuracy").sort_values(["run", "step"], kind="stable")
    rows = validations(study, rows)
    table = pd.DataFrame([_course(run, threshold) for _, run in rows.groupby(list(KEYS), sort=False)])
    same = [*CELL, "seed", "epsilon_g"]
    standard = table[table["objective_family"] == "standard"]
    standard = standard.rename(columns={"onset": "standard"})[[*same, "standard"]]
    table = table.merge(standard, on=same, how="left", validate="many_to_one")
    delays = table["onset"].fillna(table["epochs"]) - table.pop("standard")
    return table.assign(delay=delays, reached=table["onset"].notna())


def validations(study: StudyFile, training: pd.DataFrame) -> pd.DataFrame:
    """Return rows of training.parquet at each ε_g (`cells.at_budgets`), robust validations only if they are at it.

    A validation under attack at another size says nothing of ε_g: its accuracy and loss become NaN.
    """
    table = at_budgets(study, training)
    elsewhere = ~np.isclose(table["validation_epsilon"].astype(float), table["epsilon_g"], rtol=1e-6, atol=0)
    accuracy, loss, *_ = ATTACKED
    return table.assign(**{name: table[name].mask(elsewhere) for name in (accuracy, loss)})


def _course(run: pd.DataFrame, threshold: float) -> dict[str, object]:
    """What the validation accuracies of one run say at one ε_g; its rows by rising step."""
    robust = run.dropna(subset="validation_robust_accuracy")
    name = "validation_robust_accuracy" if len(robust) else "validation_accuracy"
    judged = robust if len(robust) else run
    best = int(judged[name].to_numpy().argmax())
    return {key: run[key].iloc[0] for key in (*RUN_COLUMNS, "epsilon_g", "method")} | {
        "epochs": run["epoch"].iloc[-1],
        "onset": onset_epoch(run["epoch"], run["validation_accuracy"], threshold),
        "best_epoch": judged["epoch"].iloc[best],
        "best_validation": judged[name].iloc[best],
        "last_validation": judged[name].iloc[-1],
    }


def severity(finals: pd.DataFrame) -> "pd.Series[float]":
    """Return how far each run's final clean accuracy lies below standard fine-tuning's, in the rows' order.

    finals: rows of `cells.finals`. Of the same cell, seed and ε_g; NaN without such a run.
    """
    same = [*CELL, "seed", "epsilon_g"]
    standard = finals[finals["objective_family"] == "standard"].set_index(same)["clean"]
    reference = standard.reindex(pd.MultiIndex.from_frame(finals[same])).to_numpy()
    return pd.Series(reference - finals["clean"].to_numpy(), index=finals.index)


def correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Return Pearson's correlation of two sets of values, (n,) each; pairs with a NaN are left out.

    NaN for fewer than three pairs, and where one of the two does not vary.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    kept = ~(np.isnan(a) | np.isnan(b))
    a, b = a[kept], b[kept]
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def transfer(finals: pd.DataFrame, adapted: pd.DataFrame) -> pd.DataFrame:
    """Join what runs ended with (`cells.finals`) to how they adapted, and add their severity."""
    columns = [
        *KEYS,
        "epochs",
        "onset",
        "delay",
        "reached",
        "best_epoch",
        "best_validation",
        "last_validation",
    ]
    joined = finals.merge(adapted[columns], on=list(KEYS), how="left", validate="one_to_one")
    return joined.assign(severity=severity(joined))
