"""Stanford Dogs: 120 breeds."""

from tradeoff.data.source import Columns, DatasetSource, Hub

SOURCE = DatasetSource(
    title="Stanford Dogs",
    classes=120,
    images={"train": 12_000, "test": 8_580},
    megabytes=780,
    licence="ImageNet's terms: non-commercial research",
    citation="Khosla et al., Novel dataset for fine-grained image categorization, 2011",
    hub=Hub(repository="amaye15/stanford-dogs", revision=None, columns=Columns(image="pixel_values")),
)
