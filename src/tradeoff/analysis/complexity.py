"""How hard a task is for a backbone before fine-tuning, from features alone: separability and similarity.

Li et al. (ICCV 2025) set the trade-off against both, and give no formula; the choices are marked where they are made.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

# The mean features of classes, (C, D), and how many images each class has, (C,).
ClassMeans = tuple[Array, Array]

# As Cui et al. have it.
GAMMA = 0.01


def separability(features: Array, labels: Labels) -> float:
    """Return the share of the features' variance that lies between classes, at most 1; around 0 where none does.

    features: (n, D), labels: (n,), with more images than classes. The share of sums of squares (trace of the
    between-class scatter over that of the total) grows with the number of classes even where classes do not differ;
    it is corrected for that as adjusted R-squared is (Kelley 1935).
    nan where all features are the same, or no class has two images.
    """
    # ASSUME: the measure of class separability.
    classes, groups = np.unique(labels, return_inverse=True)
    within = float(((features - class_means(features, labels)[groups]) ** 2).sum())
    total = float(((features - features.mean(axis=0)) ** 2).sum())
    n = len(features)
    if total == 0 or n == len(classes):
        return float("nan")
    return 1 - (within / (n - len(classes))) / (total / (n - 1))


def neighbour_accuracy(features: Array, labels: Labels) -> float:
    """Return the share of images whose nearest other image, by the angle between features, has their class.

    features: (n, D), labels: (n,), n at least 2. Of equally near ones the first counts.
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions = features / np.where(lengths > 0, lengths, 1)
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -np.inf)
    return float(np.mean(labels[cosines.argmax(axis=1)] == labels))


def similarity(task: ClassMeans, upstream: ClassMeans) -> float:
    """Return the similarity of two datasets by the same backbone's features, in (0, 1]: exp(-0.01 EMD).

    Cui et al., CVPR 2018, equations 1 and 2.
    """
    # ASSUME: the measure of similarity to the upstream data.
    return float(np.exp(-GAMMA * earth_movers_distance(task, upstream)))


def earth_movers_distance(one: ClassMeans, other: ClassMeans) -> float:
    """Return the least work that turns one set of weighted points into the other; weights are shares of their sum.

    The ground distance is Euclidean. A transport problem, solved as a linear program (Rubner et al. 2000).
    """
    from scipy.optimize import linprog
    from scipy.sparse import eye, kron, vstack
    from scipy.spatial.distance import cdist

    (points, supply), (places, demand) = one, other
    distances = cdist(points, places)
    n, m = distances.shape
    # Flows are numbered row by row: what leaves a point, and what arrives at a place.
    leaves = kron(eye(n), np.ones((1, m)))
    arrives = kron(np.ones((1, n)), eye(m))
    # The last equation follows from the others; left in, rounding could make it contradict them.
    balance = vstack([leaves, arrives]).tocsr()[:-1]
    amounts = np.concatenate([supply / supply.sum(), demand / demand.sum()])[:-1]
    solved = linprog(distances.ravel(), A_eq=balance, b_eq=amounts, bounds=(0, None), method="highs")
    return max(0.0, float(solved.fun))


def class_means(features: Array, labels: Labels) -> Array:
    """Return the mean features of each class that is there, (C, D), by rising label."""
    classes, groups = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(classes), features.shape[1]))
    np.add.at(sums, groups, features)
    means: Array = sums / np.bincount(groups)[:, None]
    return means
