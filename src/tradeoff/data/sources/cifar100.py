"""CIFAR-100: a hundred classes of 32-pixel photographs, 50,000 to train on and 10,000 to test."""

from tradeoff.data.source import Columns, DatasetSource, Hub

SOURCE = DatasetSource(
    title="CIFAR-100",
    classes=100,
    images={"train": 50_000, "test": 10_000},
    megabytes=142,
    licence="not stated by its authors; research use",
    citation="Krizhevsky, Learning multiple layers of features from tiny images, 2009",
    hub=Hub(
        repository="uoft-cs/cifar100",
        revision="aadb3af77e9048adbea6b47c21a81e47dd092ae5",
        columns=Columns(image="img", label="fine_label"),
        sha256={"test": "98776c529bb146a9c791229df74a5cf076be9b43d82dbbd334b6a7788d73dc68"},
    ),
)
