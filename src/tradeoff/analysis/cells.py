"""Methods compared: within a cell (dataset, backbone and strategy), at one ε_g.

ε_g is the largest perturbation that a robust objective trains with, and the one that its models are judged at.
Standard fine-tuning has none, so it is judged at each that the study's robust objectives have. A method is an
objective apart from its ε_g.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tradeoff.analysis.expected import expected_with_limits
from tradeoff.analysis.methods import methods
from tradeoff.analysis.seeds import over_seeds
from tradeoff.analysis.study_file import RUN_COLUMNS, StudyFile, budgets

CELL = ("dataset", "backbone", "strategy")
# What tells one method in one cell from another; and with its family, for looks.
METHOD = (*CELL, "epsilon_g", "method")
METHOD_AND_FAMILY = (*CELL, "epsilon_g", "objective_family", "method")
# What tells one run at one ε_g from another.
KEYS = ("run", "epsilon_g")
MEASURES = ("clean", "adversarial", "expected")


def at_budgets(study: StudyFile, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the columns epsilon_g, its objective's or each of the study's in turn, and method.

    table: rows with the columns objective and objective_epsilon, which is 0 for standard fine-tuning.
    """
    names = {objective: method.name for objective, method in methods(study).items()}
    table = table.assign(method=table["objective"].map(names))
    robust = table[table["objective_epsilon"] > 0]
    standard = table[table["objective_epsilon"] == 0]
    parts = [standard.assign(epsilon_g=budget) for budget in budgets(study)]
    return pd.concat([*parts, robust.assign(epsilon_g=robust["objective_epsilon"])], ignore_index=True)


def snapshots(study: StudyFile, probes: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Return one row per run, snapshot and ε_g: what an attack probe found at each.

    probes: tables/probes.parquet. Columns: of the run, step, epoch, n, epsilon_g, method; clean, adversarial
    (accuracy at ε_g) and expected (mean accuracy over [0, ε_g]), shares in [0, 1], each with columns ending
    in _low and _high. They are NaN at an ε_g that the probe leaves out.
    """
    rows = probes[probes["probe"] == probe]
    wide = rows.pivot(index=["run", "step"], columns="epsilon", values=["accuracy", "low", "high"])
    about = rows.drop_duplicates(["run", "step"])[[*RUN_COLUMNS, "step", "epoch", "n"]]
    parts = [
        _judged(wide, float(str(budget))).join(at.set_index(["run", "step"]), how="right").reset_index()
        for budget, at in at_budgets(study, about).groupby("epsilon_g")
    ]
    columns = [*RUN_COLUMNS, "step", "epoch", "n", "epsilon_g", "method", *_with_limits()]
    return pd.concat(parts, ignore_index=True)[columns]


def finals(study: StudyFile, probes: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Return the rows of `snapshots` that are each run's last snapshot."""
    table = snapshots(study, probes, probe)
    return table.loc[table.groupby(list(KEYS), sort=False)["step"].idxmax()].reset_index(drop=True)


def final_means(study: StudyFile, probes: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Return the rows of `finals` with seeds joined (`seeds.over_seeds`): one per cell, ε_g and objective.

    Columns: of the run but run and seed, epsilon_g, method, n, seeds, and the measures with _low and _high.
    """
    keys = [key for key in RUN_COLUMNS if key not in ("run", "seed")] + ["epsilon_g", "method"]
    values = [(name, f"{name}_low", f"{name}_high") for name in MEASURES]
    return over_seeds(finals(study, probes, probe), keys, values)


def over_cells(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return the means of the measures over all rows that agree in `keys`, and how many `cells` they are."""
    grouped = table.groupby(list(keys), sort=False)
    return grouped[list(MEASURES)].mean().assign(cells=grouped.size()).reset_index()


def complete(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that means over cells may compare, like with like: at each ε_g the same methods in all cells.

    These are the methods that every cell has, where they are two or more; otherwise all methods, of those cells that
    have them all. A method that is trained at one ε_g only does not take the others' numbers away at the rest.
    """
    kept = []
    for _, rows in table.groupby("epsilon_g", sort=False):
        cells = len(rows.drop_duplicates(list(CELL)))
        shared = rows[rows.groupby("method")["clean"].transform("size") == cells]
        methods = rows.groupby(list(CELL))["method"].transform("nunique")
        kept.append(shared if shared["method"].nunique() > 1 else rows[methods == rows["method"].nunique()])
    return pd.concat(kept) if kept else table


def _judged(wide: pd.DataFrame, budget: float) -> pd.DataFrame:
    """Accuracy at 0, at ε_g, and averaged between, of every run and snapshot."""
    epsilons = np.array(sorted(wide["accuracy"].columns))
    place = np.flatnonzero(np.isclose(epsilons, budget, rtol=1e-6, atol=0))
    if not len(place):
        return pd.DataFrame(np.nan, index=wide.index, columns=_with_limits())
    at = epsilons[place[0]]
    columns = {}
    for source, end in (("accuracy", ""), ("low", "_low"), ("high", "_high")):
        columns[f"clean{end}"] = wide[source][epsilons[0]]
        columns[f"adversarial{end}"] = wide[source][at]
    return pd.DataFrame(columns).join(expected_with_limits(wide, at))


def _with_limits() -> list[str]:
    return [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
