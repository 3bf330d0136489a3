"""DomainNet: 345 classes in six domains, 586,575 images."""

from tradeoff.data.source import DatasetSource, Hub

SOURCE = DatasetSource(
    title="DomainNet",
    classes=345,
    images={"train": 409_832, "test": 176_743},
    megabytes=18_000,
    licence="non-commercial research (fair use)",
    citation="Peng et al., Moment matching for multi-source domain adaptation, ICCV 2019",
    domains=("clipart", "infograph", "painting", "quickdraw", "real", "sketch"),
    hub=Hub(repository="wltjr1007/DomainNet", revision="ee20570ae7a29c51571e55a9a17983f7625295d6"),
)
