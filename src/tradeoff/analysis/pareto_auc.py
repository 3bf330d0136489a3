"""Frontiers of all strategies of a study, the areas they enclose, and how sure we are of them."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tradeoff.analysis.frontier import above_average, on_frontier, tradeoff_auc, trapezoid_auc
from tradeoff.analysis.intervals import percentile_interval, resampled_shares, resamples, with_seeds
from tradeoff.analysis.outcomes import AttackOutcomes, read_attack_outcomes
from tradeoff.analysis.points import PANEL
from tradeoff.analysis.study_file import StudyFile, attack_probes, epsilons
from tradeoff.errors import UserError
from tradeoff.progress import Progress

Floats = NDArray[np.float64]
# (run, probe, epsilon, step) -> correct samples and the limits of their share
Counts = dict[tuple[str, str, float, int], tuple[int, float, float]]
VARIANT_VALUES = ("auc", "low", "high", "trapezoid", "snapshots", "seeds")


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made: replicates over test samples (0: no intervals), their seed, the confidence."""

    replicates: int = 1000
    seed: int = 0
    confidence: float = 0.95


@dataclass(frozen=True)
class Tradeoffs:
    """The tables of `pareto_auc`; areas and shares in [0, 1], limits NaN without a bootstrap.

    areas: dataset, backbone, objective, probe, epsilon, family, auc, low, high, trapezoid, above_average,
    above_average_low, above_average_high, snapshots, samples, seeds.
    differences: ..., family, other, difference, low, high; each pair once, family minus other.
    frontiers: ..., family, strategy, variant, seed, step, accuracy, robustness, each of the two with _low
    and _high, on_frontier, on_variant_frontier (of the snapshots of its variant alone).
    variants: ..., family, strategy, variant, auc, low, high, trapezoid, snapshots, samples, seeds, for every
    variant of the families that have several; these areas are of each variant's own frontier.
    """

    areas: pd.DataFrame
    differences: pd.DataFrame
    frontiers: pd.DataFrame
    variants: pd.DataFrame


def pareto_auc(study: StudyFile, results: Path, probes: pd.DataFrame, bootstrap: Bootstrap) -> Tradeoffs:
    """Compute every strategy's trade-off AUC in every panel, for every attack probe and epsilon.

    probes: tables/probes.parquet, which the per-sample outcomes below `results` have to agree with.
    UserError when they do not, when runs of one panel were probed on different samples, or when the study
    has no attack probe.

    # ASSUME: the variants of a family (a sweep over ranks) join one frontier, and each seed has its own;
    the area is averaged over seeds. Samples are resampled alike in all runs, so comparisons are paired.
    The table `variants` has them apart.
    """
    areas: list[pd.DataFrame] = []
    differences: list[pd.DataFrame] = []
    frontiers: list[pd.DataFrame] = []
    variants: list[pd.DataFrame] = []
    counts = _correct_counts(probes)
    panels = [(len(list(_panels(study, probe))), probe) for probe in attack_probes(study)]
    total = sum(number * len(epsilons(study, probe)) for number, probe in panels)
    progress, done = Progress("panels at each perturbation size", total), 0
    for probe in attack_probes(study):
        for panel, runs in _panels(study, probe):
            measured = [_Measured.read(run, probe, results, counts) for run in runs]
            _check_same_samples(measured)
            weights = resamples(len(measured[0].outcomes.ids), bootstrap.replicates, bootstrap.seed)
            for index, epsilon in enumerate(measured[0].outcomes.epsilons, start=1):
                keys: dict[str, Any] = dict(zip(PANEL, panel, strict=True)) | {
                    "probe": probe,
                    "epsilon": epsilon,
                }
                families = _grouped(measured, "family", index, weights)
                areas.append(_areas(families, bootstrap.confidence).assign(**keys, samples=weights.shape[1]))
                differences.append(_differences(families, bootstrap.confidence).assign(**keys))
                frontiers.append(_frontiers(measured, index).assign(**keys))
                swept = _variants(measured, index, weights, bootstrap.confidence)
                variants.append(swept.assign(**keys, samples=weights.shape[1]))
                progress.update(done := done + 1)
    tables = (areas, differences, frontiers, variants)
    return Tradeoffs(*(_first(pd.concat(pieces), keys) for pieces in tables))


def _panels(study: StudyFile, probe: str) -> Iterator[tuple[tuple[str, ...], list[dict[str, Any]]]]:
    """The runs that have a probe, by panel, in the study's order."""
    panels: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for run in study["runs"]:
        if probe in run["probes"]:
            panels.setdefault(tuple(run[key] for key in PANEL), []).append(run)
    yield from panels.items()


@dataclass(frozen=True)
class _Measured:
    """One run and what an attack probe found for it."""

    run: dict[str, Any]
    outcomes: AttackOutcomes
    table: list[list[tuple[int, float, float]]]  # correct, low, high: [epsilon, 0 first][snapshot]

    @classmethod
    def read(cls, run: dict[str, Any], probe: str, results: Path, counts: Counts) -> "_Measured":
        path = results / "probes" / run["run"] / f"{probe}.outcomes.safetensors"
        outcomes = read_attack_outcomes(path)
        table = []
        for index, epsilon in enumerate((0.0, *outcomes.epsilons)):
            keys = [(run["run"], probe, epsilon, int(step)) for step in outcomes.steps]
            table.append([counts.get(key, (-1, 0.0, 0.0)) for key in keys])
            if outcomes.correct(index).sum(axis=1).tolist() != [correct for correct, _, _ in table[-1]]:
                raise UserError(
                    str(path),
                    f"other counts than the table beside it at ε = {epsilon:g}",
                    "outcomes and table of one and the same probe",
                    "delete both and rerun",
                )
        return cls(run, outcomes, table)

    def points(self, index: int) -> Floats:
        """(snapshots, 2): accuracy and robustness."""
        return np.stack([self.outcomes.correct(i).mean(axis=1) for i in (0, index)], axis=-1)

    def replicates(self, index: int, weights: NDArray[np.float32]) -> Floats:
        """(replicates, snapshots, 2): the same in each bootstrap replicate."""
        return np.stack([resampled_shares(weights, self.outcomes.correct(i)) for i in (0, index)], axis=-1)


def _correct_counts(probes: pd.DataFrame) -> Counts:
    keys = zip(probes["run"], probes["probe"], probes["epsilon"], probes["step"], strict=True)
    values = zip(probes["correct"], probes["low"], probes["high"], strict=True)
    return dict(zip(keys, values, strict=True))


def _check_same_samples(measured: list[_Measured]) -> None:
    first = measured[0]
    for other in measured[1:]:
        same = np.array_equal(first.outcomes.ids, other.outcomes.ids)
        if not same or first.outcomes.epsilons != other.outcomes.epsilons:
            raise UserError(
                f"runs {first.run['run']} and {other.run['run']}",
                "probes on different test samples or epsilons",
                "the same ones, to compare them",
                "delete the older probe and rerun",
            )


@dataclass(frozen=True)
class _Area:
    """The areas of one family, or of one of its variants, in one panel.

    per_seed: seed -> area; replicates: seed -> (replicates,) areas of the bootstrap.
    """

    name: str
    per_seed: dict[int, float]
    replicates: dict[int, Floats]
    trapezoid: float
    snapshots: int

    @property
    def auc(self) -> float:
        return float(np.mean(list(self.per_seed.values())))

    @property
    def mean_replicates(self) -> Floats:
        result: Floats = np.mean(list(self.replicates.values()), axis=0)
        return result

    def interval(self, confidence: float) -> tuple[float, float]:
        """The area's limits, from the bootstrap and from the spread over seeds."""
        bootstrapped = percentile_interval(self.mean_replicates, confidence)
        low, high = with_seeds(self.auc, bootstrapped, list(self.per_seed.values()), confidence)
        return float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))


def _grouped(measured: list[_Measured], by: str, index: int, weights: NDArray[np.float32]) -> list[_Area]:
    """The areas of runs joined by a key of theirs, `family` or `strategy`."""
    members: dict[str, dict[int, list[_Measured]]] = {}
    for one in measured:
        members.setdefault(one.run[by], {}).setdefault(one.run["seed"], []).append(one)
    groups = []
    for name, seeds in members.items():
        points = {seed: np.concatenate([one.points(index) for one in ones]) for seed, ones in seeds.items()}
        resampled = {
            seed: tradeoff_auc(np.concatenate([one.replicates(index, weights) for one in ones], axis=1))
            for seed, ones in seeds.items()
        }
        per_seed = {seed: float(tradeoff_auc(array)) for seed, array in points.items()}
        trapezoid = float(np.mean([trapezoid_auc(array) for array in points.values()]))
        groups.append(_Area(name, per_seed, resampled, trapezoid, sum(map(len, points.values()))))
    return groups


def _variants(
    measured: list[_Measured], index: int, weights: NDArray[np.float32], confidence: float
) -> pd.DataFrame:
    """The areas of the variants of every family that has several."""
    runs = {one.run["strategy"]: one.run for one in measured}
    counts = Counter(run["family"] for run in runs.values())
    swept = [one for one in measured if counts[one.run["family"]] > 1]
    rows = []
    for area in _grouped(swept, "strategy", index, weights):
        low, high = area.interval(confidence)
        about = {key: runs[area.name][key] for key in ("family", "strategy", "variant")}
        values = (area.auc, low, high, area.trapezoid, area.snapshots, len(area.per_seed))
        rows.append(about | dict(zip(VARIANT_VALUES, values, strict=True)))
    return pd.DataFrame(rows, columns=["family", "strategy", "variant", *VARIANT_VALUES])


def _areas(families: list[_Area], confidence: float) -> pd.DataFrame:
    above = above_average([family.auc for family in families])
    above_replicates = above_average(np.stack([family.mean_replicates for family in families], axis=-1))
    mean = float(np.mean([family.auc for family in families]))
    rows = []
    for column, family in enumerate(families):
        seeds = np.array(list(family.per_seed.values()))
        low, high = family.interval(confidence)
        relative = float(above[column])
        # ASSUME: the average over strategies is taken as known when seeds are compared.
        relative_low, relative_high = with_seeds(
            relative,
            percentile_interval(above_replicates[:, column], confidence),
            seeds / mean - 1 if mean > 0 else seeds * np.nan,
            confidence,
        )
        rows.append(
            {
                "family": family.name,
                "auc": family.auc,
                "low": low,
                "high": high,
                "trapezoid": family.trapezoid,
                "above_average": relative,
                "above_average_low": np.maximum(relative_low, -1),
                "above_average_high": relative_high,
                "snapshots": family.snapshots,
                "seeds": len(seeds),
            }
        )
    return pd.DataFrame(rows)


def _differences(families: list[_Area], confidence: float) -> pd.DataFrame:
    rows = []
    for one, other in itertools.combinations(families, 2):
        difference = one.auc - other.auc
        shared = sorted(set(one.per_seed) & set(other.per_seed))
        low, high = with_seeds(
            difference,
            percentile_interval(one.mean_replicates - other.mean_replicates, confidence),
            [one.per_seed[seed] - other.per_seed[seed] for seed in shared],
            confidence,
        )
        rows.append(
            {"family": one.name, "other": other.name, "difference": difference, "low": low, "high": high}
        )
    return pd.DataFrame(rows, columns=["family", "other", "difference", "low", "high"])


def _frontiers(measured: list[_Measured], index: int) -> pd.DataFrame:
    rows = []
    for one in measured:
        run = {key: one.run[key] for key in ("family", "strategy", "variant", "seed")}
        points = zip(one.outcomes.steps, one.points(index), one.table[0], one.table[index], strict=True)
        for step, (accuracy, robustness), (_, *clean), (_, *attacked) in points:
            shares = {"accuracy": accuracy, "robustness": robustness}
            limits = dict(zip(("accuracy_low", "accuracy_high"), clean, strict=True))
            limits |= dict(zip(("robustness_low", "robustness_high"), attacked, strict=True))
            rows.append(run | {"step": int(step)} | shares | limits)
    table = pd.DataFrame(rows)
    for column, by in (("on_frontier", "family"), ("on_variant_frontier", "strategy")):
        table[column] = False
        for _, group in table.groupby([by, "seed"], sort=False):
            table.loc[group.index, column] = on_frontier(group[["accuracy", "robustness"]].to_numpy())
    return table


def _first(table: pd.DataFrame, keys: dict[str, Any]) -> pd.DataFrame:
    """The table with its key columns first."""
    return table[[*keys, *(column for column in table.columns if column not in keys)]].reset_index(drop=True)
