"""Stanford Cars: 196 makes, models and years, 8,144 images to train on and 8,041 to test."""

from tradeoff.data.source import DatasetSource, Hub

SOURCE = DatasetSource(
    title="Stanford Cars",
    classes=196,
    images={"train": 8_144, "test": 8_041},
    megabytes=1_900,
    licence="not stated by its authors; research use",
    citation="Krause, Stark, Deng and Fei-Fei, 3D object representations for fine-grained categorization, 2013",
    hub=Hub(repository="isaacchung/StanfordCars", revision="09ffe9bc7864d3f1e851529e5c4b7e05601a04fb"),
)
