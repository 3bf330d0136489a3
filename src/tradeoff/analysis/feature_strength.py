"""How weak non-robust features may be and still decide: the bound of Li et al. (ICCV 2025).

The model is that of Tsipras et al. (ICLR 2019): a label y of -1 or 1, one robust feature, and many others that are
normal with mean strength * y and variance 1. A classifier that averages `features` of those, all but ignoring the
robust one, sees a normal variable with mean strength * y and variance 1 / features.

# ASSUME: in the bound 2.33 / sqrt(k + d), d is the number of non-robust features and k that of weights which
# fine-tuning changes (at most d, for full fine-tuning); each counts as one more independent feature.
"""

import math
from statistics import NormalDist


def averaged_accuracy(strength: float, features: float) -> float:
    """Return the accuracy of averaging so many features, in [0.5, 1] for a strength of 0 or more."""
    return NormalDist().cdf(strength * math.sqrt(features))


def least_strength(features: float, accuracy: float = 0.99) -> float:
    """Return the least strength at which averaging so many features (above 0) reaches an accuracy in (0, 1).

    At 99%, 2.33 / sqrt(features): 2.33 is that quantile of the normal distribution.
    """
    return NormalDist().inv_cdf(accuracy) / math.sqrt(features)
