"""Caltech-256: 256 classes of objects and one of clutter, with official validation images."""

from tradeoff.data.source import Columns, DatasetSource, Hub

SOURCE = DatasetSource(
    title="Caltech-256",
    classes=257,
    images={"train": 24_791, "validation": 2_755, "test": 3_061},
    megabytes=1_200,
    licence="CC BY 4.0",
    citation="Griffin, Holub and Perona, Caltech-256 object category dataset, 2007",
    hub=Hub(
        repository="ilee0022/Caltech-256",
        revision="6adfe4d",
        columns=Columns(offset=1),
        files={
            "train": "*train-*.parquet",
            "validation": "*validation-*.parquet",
            "test": "*test-*.parquet",
        },
    ),
)
