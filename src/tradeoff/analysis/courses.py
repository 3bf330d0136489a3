"""How robustness rises, and falls, while a model is fine-tuned (Li et al., ICCV 2025).

The largest of many noisy shares is too large: read off as it is, every course falls from its peak. So each half of the
test samples is measured at the peak of the other half, and a course that only flickers falls by 0 on average.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from tradeoff.analysis.intervals import with_seeds
from tradeoff.analysis.outcomes import AttackOutcomes, read_attack_outcomes
from tradeoff.analysis.points import PANEL
from tradeoff.analysis.study_file import StudyFile, attack_probes, epsilons

# What each test sample adds to: at the peak minus at the first snapshot, at the peak minus at the last one, and
# without attack at the last one minus at the peak of robustness.
CHANGES = ("rise", "fall", "gain")


def courses(study: StudyFile, results: Path, confidence: float) -> pd.DataFrame:
    """Return, for every strategy, attack probe and epsilon, how robust accuracy changed over the snapshots.

    results: results/<study>, with the probes' outcomes per sample. One row for all seeds of a strategy. Columns:
    those of a panel, family, strategy, variant, probe, epsilon, seeds, samples; first and last, robust accuracy at
    these snapshots; peak, what it is at the peak; peak_step, where all samples together have it (mean over seeds);
    rise, peak - first; fall, peak - last; gain, how much clean accuracy changes from there to the last snapshot; each
    change with _low and _high. Shares in [0, 1]; peak, and what is counted from it, by halves (see the module).

    # ASSUME: intervals are normal over samples, paired: every sample is its own control. Which step a
    half peaks at is taken as known. `intervals.with_seeds` joins seeds.
    """
    strategies: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for run in study["runs"]:
        strategies.setdefault((*(run[key] for key in PANEL), run["strategy"]), []).append(run)
    rows = []
    for runs in strategies.values():
        about = {key: runs[0][key] for key in (*PANEL, "family", "strategy", "variant")}
        for probe in attack_probes(study):
            probed = [run for run in runs if probe in run["probes"]]
            outcomes = [_read(results, run, probe) for run in probed]
            for index, epsilon in enumerate(epsilons(study, probe) if outcomes else [], start=1):
                seeds = [course(one, index) for one in outcomes]
                rows.append(about | {"probe": probe, "epsilon": epsilon} | _joined(seeds, confidence))
    return pd.DataFrame(rows)


def course(outcomes: AttackOutcomes, index: int) -> dict[str, Any]:
    """Return first, peak_step and last of one run, and its CHANGES of each sample: (n,) in {-1, 0, 1}.

    index: of the epsilon, 1 for the smallest.
    """
    clean, robust = outcomes.correct(0).astype(int), outcomes.correct(index).astype(int)
    half = np.arange(robust.shape[1]) % 2
    peaks = np.array([robust[:, half == other].mean(axis=1).argmax() for other in (1, 0)])[half]
    samples = np.arange(robust.shape[1])
    at_peak, clean_at_peak = robust[peaks, samples], clean[peaks, samples]
    return {
        "first": robust[0].mean(),
        "last": robust[-1].mean(),
        "peak": at_peak.mean(),
        "peak_step": outcomes.steps[robust.mean(axis=1).argmax()],
        "rise": at_peak - robust[0],
        "fall": at_peak - robust[-1],
        "gain": clean[-1] - clean_at_peak,
    }


def _read(results: Path, run: dict[str, Any], probe: str) -> AttackOutcomes:
    return read_attack_outcomes(results / "probes" / run["run"] / f"{probe}.outcomes.safetensors")


def _joined(seeds: Sequence[dict[str, Any]], confidence: float) -> dict[str, float]:
    """The values of several seeds' courses, and their changes with limits."""
    values: dict[str, float] = {"seeds": len(seeds), "samples": len(seeds[0]["rise"])}
    for name in ("first", "peak", "last", "peak_step"):
        values[name] = float(np.mean([one[name] for one in seeds]))
    for name in CHANGES:
        change = float(np.mean([one[name].mean() for one in seeds]))
        half = _half_width(np.mean([one[name] for one in seeds], axis=0), confidence)
        per_seed = [one[name].mean() for one in seeds]
        low, high = with_seeds(change, (change - half, change + half), per_seed, confidence)
        values |= {name: change, f"{name}_low": low, f"{name}_high": high}
    return values


def _half_width(changes: NDArray[Any], confidence: float) -> float:
    """How far a mean of changes, (n,), may be off; NaN where all are alike, which is no certainty.

    So are falls where a peak is at the last snapshot: 0 for every sample.
    """
    if np.ptp(changes) == 0:
        return float("nan")
    return float(ndtri((1 + confidence) / 2) * changes.std(ddof=1) / np.sqrt(len(changes)))
