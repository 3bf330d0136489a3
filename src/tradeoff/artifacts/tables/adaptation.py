"""When task adaptation began under each objective, how late, and what it cost in the end."""

import numpy as np
import pandas as pd

from tradeoff.analysis.adaptation import adaptation, correlation, transfer
from tradeoff.analysis.cells import CELL, METHOD_AND_FAMILY, finals
from tradeoff.analysis.intervals import mean_interval
from tradeoff.analysis.seeds import over_seeds
from tradeoff.artifacts.comparisons import varied, words
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table, ranked
from tradeoff.artifacts.tables.counts import counted
from tradeoff.artifacts.text import interval, signed, two_noted
from tradeoff.params.epsilon import format_epsilon
from tradeoff.published import DELAY_CORRELATIONS

# What has an interval over seeds alone.
OVER_SEEDS = ("onset", "delay", "severity")
PUBLISHED = f" (Ngnawé et al.: {' to '.join(signed(r, 2) for r in sorted(DELAY_CORRELATIONS, key=abs))})"


def make(results: Results) -> Table:
    """Set one row per cell, ε_g and objective, means over seeds; the caption has the correlations.

    Best and second among robust objectives: standard fine-tuning is what delay and severity are counted from.
    """
    runs = adapted(results)
    data = over_runs(runs)
    shown = varied(results)
    rows = []
    for _, block in data.sort_values("epsilon_g", kind="stable").groupby(["epsilon_g", *CELL], sort=False):
        columns = [_onsets(block), _delays(block), *_final(block), *_validations(block)]
        for index, row in enumerate(block.to_dict("records")):
            about = [words(results, key, row[key]) for key in shown]
            about += [format_epsilon(row["epsilon_g"]), method_look(row["method"]).label]
            rows.append([*map(Cell, about), *(column[index] for column in columns)])
    header = [*map(str.capitalize, shown), "ε_g", "Objective", "Onset", "Delay", "Clean", "Severity"]
    header += ["Best epoch", "Validation there", "At the end"]
    threshold = results.study["params"]["tradeoff"]["onset_accuracy"]
    caption = (
        f"{results.study['study']['title']}: onset of task adaptation, the first epoch with a validation accuracy above"
        f" {threshold:.0%} (where some runs never got there: how many did); delay in epochs after standard fine-tuning;"
        " final clean accuracy, and severity, how many points it lies below standard fine-tuning's; the epoch of the"
        " best validation accuracy (robust where measured), and that accuracy then and at the end. In brackets: 95%"
        f" intervals, of clean accuracy over test images and seeds, else over seeds where several differ"
        f"{two_noted(data['seeds'])}{counted(data)}. Bold: best robust objective of its cell at that ε_g; underlined:"
        f" second. {_correlations(runs)}"
    )
    return Table(caption, header, rows, data, left=len(shown) + 2)


def adapted(results: Results) -> pd.DataFrame:
    """Return what each run ended with and how it adapted (`adaptation.transfer`), one row per run and ε_g."""
    return transfer(
        finals(results.study, results.probes, results.threat.probe),
        adaptation(results.study, results.training),
    )


def over_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Return means over seeds, one row per cell, ε_g and method, with how many seeds and how many `reached` the onset.

    runs: from `adapted`. Clean accuracy, onset, delay and severity have limits, columns ending in _low and _high; of
    the last three over seeds alone, so NaN with one seed or where seeds agree, and for onset and delay where some run
    never adapted.
    """
    keys = list(METHOD_AND_FAMILY)
    grouped = runs.groupby(keys, sort=False)
    data = over_seeds(runs, keys, [("clean", "clean_low", "clean_high")])
    others = ["onset", "delay", "severity", "best_epoch", "best_validation", "last_validation"]
    data = data.join(grouped[others].mean().assign(reached=grouped["reached"].sum()), on=keys)
    for name in OVER_SEEDS:
        limits = [_limits(values, name) for _, values in grouped]
        data[[f"{name}_low", f"{name}_high"]] = np.array(limits).reshape(-1, 2)
    return data


def _limits(runs: pd.DataFrame, name: str) -> tuple[float, float]:
    if name != "severity" and not runs["reached"].all():
        return np.nan, np.nan
    # Seeds often agree: epochs are whole, and standard fine-tuning is 0 by definition.
    return mean_interval(runs[name])


def _onsets(block: pd.DataFrame) -> list[Cell]:
    return [
        Cell(f"{row['onset']:.1f}", interval(row["onset_low"], row["onset_high"], 1))
        if row["reached"] == row["seeds"]
        else Cell(f"{row['reached']} of {row['seeds']} runs")
        for row in block.to_dict("records")
    ]


def _delays(block: pd.DataFrame) -> list[Cell]:
    """Delays, those of runs that never adapted as lower bounds, which rank last."""
    known = block["delay"].where(block["reached"] == block["seeds"], np.inf).mask(block["delay"].isna())
    late = ["> " if np.isinf(value) else "" for value in known]
    return [
        Cell(bound + _decimal(row["delay"]), interval(row["delay_low"], row["delay_high"], 1), mark)
        for bound, row, mark in zip(late, block.to_dict("records"), _marks(block, -known, 1), strict=True)
    ]


def _final(block: pd.DataFrame) -> tuple[list[Cell], list[Cell]]:
    """Clean accuracy and severity."""
    percent = block[[f"{name}{end}" for name in ("clean", "severity") for end in ("", "_low", "_high")]] * 100
    clean, severe = (
        _marks(block, sign * percent[name], 1) for name, sign in (("clean", 1), ("severity", -1))
    )
    rows = percent.to_numpy()
    return (
        [
            Cell(_decimal(row[0]), interval(row[1], row[2], 1), mark)
            for row, mark in zip(rows, clean, strict=True)
        ],
        [
            Cell("—") if np.isnan(row[3]) else Cell(signed(row[3], 1), interval(row[4], row[5], 1), mark)
            for row, mark in zip(rows, severe, strict=True)
        ],
    )


def _validations(block: pd.DataFrame) -> list[list[Cell]]:
    return [
        [Cell(_decimal(value * scale)) for value in block[name]]
        for name, scale in (("best_epoch", 1), ("best_validation", 100), ("last_validation", 100))
    ]


def _marks(block: pd.DataFrame, values: "pd.Series[float]", decimals: int) -> list[int]:
    """Ranks of the highest values among robust objectives; standard fine-tuning has none."""
    return ranked(values.mask(block["objective_family"] == "standard").tolist(), decimals)


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
        published = PUBLISHED if name == "clean" else ""
        found += [f"with {title} {', '.join(at)}{published}"] if at else []
    if not found:
        return "Delay and severity: too few runs that differ for a correlation."
    never = int((~robust["reached"] & robust["delay"].notna()).sum())
    counted = f" ({never} of {len(robust)} never adapted and count with their last epoch)" if never else ""
    return (
        f"Pearson's correlation of delay over the robust runs of all cells{counted}: {'; '.join(found)}."
        " They describe these runs, which share cells and seeds, and have no intervals."
    )


def _decimal(value: float) -> str:
    return "—" if np.isnan(value) else f"{value:.1f}"
