"""FGVC-Aircraft: a hundred variants of aircraft, in official thirds to train on, validate on and test."""

from tradeoff.data.source import Columns, DatasetSource, Hub

SOURCE = DatasetSource(
    title="FGVC-Aircraft",
    classes=100,
    images={"train": 3_334, "validation": 3_333, "test": 3_333},
    megabytes=2_700,
    licence="non-commercial research; photographers keep their copyright",
    citation="Maji et al., Fine-grained visual classification of aircraft, arXiv 1306.5151",
    # ASSUME: the classes are the variants, the level of the benchmark; family and manufacturer are coarser.
    hub=Hub(
        repository="HuggingFaceM4/FGVC-Aircraft",
        revision="e18a7c97147c90dc7f4a60d74a7f4258e9264e97",
        columns=Columns(label="variant"),
        files={
            "train": "*train-*.parquet",
            "validation": "*validation-*.parquet",
            "test": "*test-*.parquet",
        },
    ),
)
