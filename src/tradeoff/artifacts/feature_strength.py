"""The bound on the strength of non-robust features, as a picture for the documentation: it depends on no study.

python -m tradeoff.artifacts.feature_strength docs/images/feature_strength.png
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tradeoff.analysis.feature_strength import averaged_accuracy, least_strength
from tradeoff.artifacts import style
from tradeoff.artifacts.labels import label_ends
from tradeoff.files import whole_file

# Name, share of the weights that change (k / d), colour and line: as many as tell the extremes.
CASES = (("k = 0", 0.0, "#0072B2", "-"), ("k = d", 1.0, "#000000", "--"))
FEATURES = 768  # d of the right-hand panel: the width of a ViT-B


def draw() -> Figure:
    """Draw the least strength against d, and accuracy against strength at one d; call it within `style.styled()`."""
    fig = style.figure(style.TWO_COLUMNS, 2.3)
    left, right = fig.subplots(1, 2)
    counts = np.geomspace(10, 100_000, 50)
    strengths = np.linspace(0, 0.12, 61)
    bounds, accuracies = [], []
    for name, share, colour, line in CASES:
        bound = [least_strength(d * (1 + share)) for d in counts]
        accuracy = [100 * averaged_accuracy(eta, FEATURES * (1 + share)) for eta in strengths]
        left.plot(counts, bound, color=colour, linestyle=line)
        right.plot(strengths, accuracy, color=colour, linestyle=line)
        bounds.append((counts[-1], bound[-1], name, colour))
        accuracies.append((strengths[-1], accuracy[-1], name, colour))
    left.set(xscale="log", yscale="log", xlabel="Non-robust features d", ylabel="Least strength η for 99%")
    for axis, ticks in ((left.xaxis, (10, 100, 1000, 10_000, 100_000)), (left.yaxis, (0.01, 0.1, 1))):
        axis.set_ticks(ticks, [f"{tick:,}" for tick in ticks])
        axis.set_ticks([], minor=True)
    right.axhline(99, color="0.6", linewidth=0.6)
    right.set(xlabel="Strength η", ylabel="Accuracy (%)", title=f"d = {FEATURES}", ylim=(50, 100.5))
    label_ends(left, bounds)
    label_ends(right, accuracies)
    return fig


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="a PNG file")
    output = parser.parse_args(argv).output
    with style.styled(), whole_file(output) as temporary:
        draw().savefig(temporary, format="png", dpi=style.PER_INCH, metadata={"Software": None})


if __name__ == "__main__":
    main()
