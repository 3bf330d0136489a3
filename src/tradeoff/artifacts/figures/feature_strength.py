"""The bound of Li et al. (ICCV 2025) on the strength of non-robust features, and the study's strategies on it."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoff.analysis.feature_strength import averaged_accuracy, least_strength
from tradeoff.artifacts import style
from tradeoff.artifacts.labels import label_ends
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results

# Name, share of the weights that change (k / d), grey and line: as many as tell the extremes. Colours are strategies'.
CASES = (("k = 0", 0.0, "0.35", "-"), ("k = d", 1.0, "0.35", "--"))
FEATURES = 768  # d of the first axes: the width of a ViT-B
ACCURACY = 0.99


def draw(results: Results) -> tuple[Figure, pd.DataFrame]:
    """Draw accuracy against strength at one d, the least strength against d, and by what it falls as more changes.

    # ASSUME: k / d is the share of a model's parameters that a strategy trains, head included. Features cannot be
    counted, but of full fine-tuning the share is 1, as the bound has it.
    """
    fig = style.figure(style.TWO_COLUMNS, 2.6)
    axes = fig.subplots(1, 3)
    strategies = _shares(results)
    accuracies, bounds = _accuracies(axes[0]), _bounds(axes[1])
    falls = _falls(axes[2], strategies)
    style.key_of(fig, [style.handle(look(str(family))) for family in strategies["family"].unique()])
    style.note(
        fig,
        "k: weights that fine-tuning changes; d: non-robust features; markers: the study's strategies at the share of"
        " parameters that they train, head included, taken as k / d; from the formula, nothing is measured",
    )
    # Last, when all else has its room.
    _name_cases(axes[0], accuracies["strength"], 100 * accuracies["accuracy"])
    _name_cases(axes[1], bounds["features"], bounds["strength"])
    return fig, pd.concat([accuracies, bounds, falls, strategies], ignore_index=True)


def _accuracies(axes: Axes) -> pd.DataFrame:
    strengths = np.linspace(0, 0.12, 61)
    parts = []
    for _, share, colour, line in CASES:
        values = [averaged_accuracy(eta, FEATURES * (1 + share)) for eta in strengths]
        axes.plot(strengths, [100 * value for value in values], color=colour, linestyle=line)
        parts.append(pd.DataFrame({"strength": strengths, "accuracy": values, "k_over_d": share}))
    axes.axhline(100 * ACCURACY, color="0.75", linewidth=0.6)
    axes.annotate(f"{ACCURACY:.0%}", (0.002, 100 * ACCURACY - 1), va="top", fontsize=6, color="0.45")
    axes.set(xlabel="Strength η", ylabel="Accuracy (%)", title=f"d = {FEATURES}", ylim=(50, 100.5))
    return pd.concat(parts).assign(features=FEATURES, quantity="accuracy")


def _bounds(axes: Axes) -> pd.DataFrame:
    counts = np.geomspace(10, 100_000, 50)
    parts = []
    for _, share, colour, line in CASES:
        values = [least_strength(d * (1 + share), ACCURACY) for d in counts]
        axes.plot(counts, values, color=colour, linestyle=line)
        parts.append(pd.DataFrame({"features": counts, "strength": values, "k_over_d": share}))
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="Non-robust features d",
        ylabel=f"Least strength η for {ACCURACY:.0%}",
    )
    for axis, ticks in ((axes.xaxis, (10, 1000, 100_000)), (axes.yaxis, (0.01, 0.1, 1))):
        axis.set_ticks(ticks, [f"{tick:,}" for tick in ticks])
        axis.set_ticks([], minor=True)
    return pd.concat(parts).assign(accuracy=ACCURACY, quantity="least strength")


def _falls(axes: Axes, strategies: pd.DataFrame) -> pd.DataFrame:
    shares = np.geomspace(min(1e-4, strategies["k_over_d"].min()), 1, 50)
    values = [_fall(share) for share in shares]
    axes.plot(shares * 100, np.multiply(values, 100), color="0.6", linewidth=0.8)
    for family, points in strategies.groupby("family", sort=False):
        one = look(str(family))
        axes.plot(
            points["k_over_d"] * 100,
            points["relative_strength"] * 100,
            color=one.colour,
            marker=one.marker,
            linestyle="",
            clip_on=False,
        )
    axes.set(
        xscale="log",
        xlabel="Share of weights trained, k / d (%)",
        ylabel="Least η (% of that at k = 0)",
        ylim=(65, 101),
    )
    ticks = [10.0**power for power in range(-4, 3) if 100 * shares[0] <= 10.0**power]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    return pd.DataFrame({"k_over_d": shares, "relative_strength": values, "quantity": "fall"})


def _name_cases(axes: Axes, x: pd.Series, y: pd.Series) -> None:
    """Write the name of each case where its curve, of equally many points, ends."""
    length = len(x) // len(CASES)
    ends = zip(x.iloc[length - 1 :: length], y.iloc[length - 1 :: length], CASES, strict=True)
    label_ends(axes, [(end, value, name, colour) for end, value, (name, _, colour, _) in ends])


def _shares(results: Results) -> pd.DataFrame:
    """Each strategy's share of trained parameters, with the least strength there as a share of that at k = 0."""
    keys = ["backbone", "family", "strategy", "variant", "trainable", "total"]
    table = results.runs.drop_duplicates(keys)[keys]
    shares = table["trainable"] / table["total"]
    falls = [_fall(share) for share in shares]
    return table.assign(k_over_d=shares, relative_strength=falls, quantity="strategy")


def _fall(share: float) -> float:
    """The least strength at k / d, of that at k = 0: whatever d is."""
    return least_strength(1 + share, ACCURACY) / least_strength(1, ACCURACY)
