"""Imagenette: ten classes of ImageNet that are easy to tell apart."""

from tradeoff.data.source import DatasetSource, Hub

SOURCE = DatasetSource(
    title="Imagenette",
    classes=10,
    images={"train": 9_469, "test": 3_925},
    megabytes=1_500,
    licence="Apache 2.0; the images under ImageNet's terms",
    citation="Howard, Imagenette, https://github.com/fastai/imagenette, 2019",
    # Its repository holds archives and a loading script; this commit is the hub's conversion to Parquet.
    # ASSUME: the images in full size, and the official validation images as the test set.
    hub=Hub(
        repository="frgfm/imagenette",
        revision="823b9fdada70ebfa6486d411b6d9f2cb96cb9117",
        files={"train": "full_size/train/*.parquet", "test": "full_size/validation/*.parquet"},
    ),
)
