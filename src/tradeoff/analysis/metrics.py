"""A study in a few numbers, for `dvc metrics` and `dvc plots`."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tradeoff.analysis.expected import expected_with_limits
from tradeoff.analysis.points import PANEL, points, snapshot_means, under
from tradeoff.analysis.study_file import StudyFile, expected_up_to, headline

ACCURACY = ("accuracy", "low", "high")
ROBUSTNESS = ("robustness", "robustness_low", "robustness_high")
EXPECTED = ("expected", "expected_low", "expected_high")


def metrics(study: StudyFile, probes: pd.DataFrame, areas: pd.DataFrame) -> dict[str, Any]:
    """Return numbers nested as panel → strategy → metric, each rounded to four decimals.

    A panel is called by its dataset, and by backbone and objective where the study has several.
    accuracy, robust_accuracy: at the last snapshot, under the headline threat; peak_robustness and
    peak_step: the highest robust accuracy of any snapshot; expected_robustness: at the last snapshot, over
    epsilons from 0 to `tradeoff.expected_up_to`, null when the probe has none that small; auc: the family's
    trade-off AUC under the headline threat. Shares in [0, 1]. UserError without an attack probe.
    """
    aucs = under(areas, headline(study)).set_index([*PANEL, "family"])["auc"]
    named = panel_names(study)
    result: dict[str, Any] = {}
    for row in last_and_peak(study, probes).to_dict("records"):
        panel = (row["dataset"], row["backbone"], row["objective"])
        shares = {
            "accuracy": row["accuracy"],
            "robust_accuracy": row["robustness"],
            "expected_robustness": row["expected"],
            "peak_robustness": row["peak_robustness"],
            "auc": aucs[(*panel, row["family"])],
        }
        rounded: dict[str, Any] = {
            name: None if pd.isna(share) else round(float(share), 4) for name, share in shares.items()
        }
        result.setdefault(named[panel], {})[row["strategy"]] = rounded | {"peak_step": int(row["peak_step"])}
    return result


def panel_names(
    study: StudyFile, labels: Mapping[str, Mapping[str, str]] | None = None
) -> dict[tuple[str, ...], str]:
    """Name each panel by its dataset and what else tells the study's panels apart, in the study's order.

    labels: by dataset, backbone or objective, what to call each where that is not its name in params.
    """
    called = [(labels or {}).get(key, {}) for key in PANEL]
    panels = list(dict.fromkeys((run["dataset"], run["backbone"], run["objective"]) for run in study["runs"]))
    varies = [index == 0 or len({panel[index] for panel in panels}) > 1 for index in range(len(PANEL))]
    return {
        panel: ", ".join(called[index].get(part, part) for index, part in enumerate(panel) if varies[index])
        for panel in panels
    }


def last_and_peak(study: StudyFile, probes: pd.DataFrame) -> pd.DataFrame:
    """Return one row per panel and strategy: its last snapshot and the most robust under the headline threat.

    Seeds are joined snapshot by snapshot before the peak is looked for. Columns: panel, family, strategy,
    variant, seeds, n, step; accuracy, robustness, expected (of the last snapshot); peak_step,
    peak_accuracy, peak_robustness; each value with columns ending in _low and _high (plain `low` and
    `high` for accuracy).

    # ASSUME: the peak is picked by robustness on the test samples themselves, so it is optimistic.
    """
    threat = headline(study)
    expected = expected_by_snapshot(probes, threat.probe, expected_up_to(study, threat.probe))
    measured = points(probes, threat).merge(expected, on=["run", "step"])
    joined = snapshot_means(measured, [ACCURACY, ROBUSTNESS, EXPECTED])
    keys = [*PANEL, "strategy"]
    last = joined.loc[joined.groupby(keys, sort=False)["step"].idxmax()]
    peak = joined.loc[joined.groupby(keys, sort=False)["robustness"].idxmax()]
    renamed = {"step": "peak_step", "accuracy": "peak_accuracy", "low": "peak_accuracy_low"}
    renamed |= {"high": "peak_accuracy_high"} | {name: f"peak_{name}" for name in ROBUSTNESS}
    return last.merge(peak[[*keys, *renamed]].rename(columns=renamed), on=keys)


def expected_by_snapshot(probes: pd.DataFrame, probe: str, up_to: float) -> pd.DataFrame:
    """Return run, step and expected with its limits: expected robustness over a probe's epsilons up to one of them."""
    rows = probes[probes["probe"] == probe]
    wide = rows.pivot(index=["run", "step"], columns="epsilon", values=["accuracy", "low", "high"])
    return expected_with_limits(wide, up_to).reset_index()


def trajectories(study: StudyFile, probes: pd.DataFrame) -> pd.DataFrame:
    """Return panel, strategy, step, accuracy and robustness under the headline threat, in percent."""
    table = snapshot_means(points(probes, headline(study)), [ACCURACY, ROBUSTNESS])
    named = panel_names(study)
    panels = [named[panel] for panel in zip(*(table[key] for key in PANEL), strict=True)]
    return pd.DataFrame(
        {
            "panel": panels,
            "strategy": table["strategy"],
            "step": table["step"],
            "accuracy": (table["accuracy"] * 100).round(2),
            "robustness": (table["robustness"] * 100).round(2),
        }
    )
