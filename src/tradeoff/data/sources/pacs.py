"""PACS: seven classes in four domains."""

from tradeoff.data.source import DatasetSource

SOURCE = DatasetSource(
    title="PACS",
    classes=7,
    licence="not stated by its authors; research use",
    citation="Li et al., Deeper, broader and artier domain generalization, ICCV 2017",
    domains=("art_painting", "cartoon", "photo", "sketch"),
)
