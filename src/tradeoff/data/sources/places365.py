"""Places365: 365 kinds of scenes, 1.8 million images to train on; its validation images are the test set."""

from tradeoff.data.source import DatasetSource, Hub

SOURCE = DatasetSource(
    title="Places365",
    classes=365,
    images={"train": 1_803_460, "test": 36_500},
    megabytes=26_000,
    licence="non-commercial research and education",
    citation="Zhou et al., Places: a 10 million image database for scene recognition, TPAMI 2017",
    # Two repositories, both labelled in the order of the authors' list of categories; only the first has names.
    # The second holds every file twice, as train-*.parquet and as val-*.parquet.
    hub=Hub(
        repository="ljnlonoljpiljm/places365-256px",
        revision="2bcb4953a4cd2081ace0c81c97081891551128a2",
        files={"train": "*train-*.parquet"},
        test=Hub(
            repository="dpdl-benchmark/Places365-Validation",
            revision="f11b9b3c7ddd678ba92fd6862296b0d42c8723bb",
            files={"test": "*train-*.parquet"},
        ),
    ),
)
