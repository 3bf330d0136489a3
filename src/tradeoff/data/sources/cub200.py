"""CUB-200-2011: two hundred species of birds, in the official split of 5,994 and 5,794 images."""

from tradeoff.data.source import DatasetSource, Hub

SOURCE = DatasetSource(
    title="CUB-200-2011",
    classes=200,
    images={"train": 5_994, "test": 5_794},
    megabytes=1_150,
    licence="non-commercial research and education",
    citation="Wah et al., The Caltech-UCSD Birds-200-2011 dataset, 2011",
    hub=Hub(repository="efekankavalci/CUB_200_2011", revision="3a8ec14"),
)
