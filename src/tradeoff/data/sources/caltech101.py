"""Caltech-101: photographs of objects, thirty of a class to train on."""

from tradeoff.data.source import DatasetSource

SOURCE = DatasetSource(
    title="Caltech-101",
    classes=101,
    licence="CC BY 4.0",
    citation="Fei-Fei, Fergus and Perona, Learning generative visual models from few training examples, 2004",
)
