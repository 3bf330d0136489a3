"""CIFAR-10: ten classes of 32-pixel photographs, 50,000 to train on and 10,000 to test."""

from tradeoff.data.source import Columns, DatasetSource, Hub

SOURCE = DatasetSource(
    title="CIFAR-10",
    classes=10,
    images={"train": 50_000, "test": 10_000},
    megabytes=144,
    licence="not stated by its authors; research use",
    citation="Krizhevsky, Learning multiple layers of features from tiny images, 2009",
    hub=Hub(
        repository="uoft-cs/cifar10",
        revision="0b2714987fa478483af9968de7c934580d0bb9a2",
        columns=Columns(image="img"),
        sha256={
            "train": "8428b53a88a11ac374111006708df51469e315a22ac6d66470afd9c78d2ae883",
            "test": "841389e6f2d64f28bf17310e430aebac20ec3ba611a3c5e231dc93c645ce84de",
        },
    ),
)
