"""Handwritten digits that scikit-learn ships: 1,797 images of 8 x 8 pixels by thirteen writers."""

import numpy as np

from tradeoff.data.generated import Generated
from tradeoff.data.numbers import hashes
from tradeoff.data.source import DatasetSource

SOURCE = DatasetSource(
    title="Handwritten digits (scikit-learn)",
    classes=10,
    images={"train": 1_297, "test": 500},
    megabytes=1,
    licence="CC BY 4.0",
    citation="Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI repository, 1998",
    generated=True,
)
CLASS_NAMES = tuple("0123456789")
LEVELS = 16  # grey values run from 0 to 16: pixels of ink in a block of 4 x 4
TEST_PER_CLASS = 50


def generate() -> Generated:
    """Return 1,297 training and 500 test images, fifty of each class, in bytes from 0 to 255.

    # ASSUME: scikit-learn brings no split of its own; this one is drawn once and for all.
    """
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    images = np.rint(values.reshape(-1, 8, 8) * (255 / LEVELS)).astype(np.uint8)
    order = np.argsort(hashes(0, 0, np.arange(len(labels))), kind="stable")
    test = np.sort(
        np.concatenate([order[labels[order] == digit][:TEST_PER_CLASS] for digit in np.unique(labels)])
    )
    train = np.setdiff1d(np.arange(len(labels)), test)
    return Generated(CLASS_NAMES, (images[train], labels[train]), (images[test], labels[test]))
