"""Tiny-ImageNet at 32 pixels: 200 classes of ImageNet, an upstream set for small backbones."""

from tradeoff.data.source import DatasetSource

SOURCE = DatasetSource(
    title="Tiny-ImageNet, 32 px",
    classes=200,
    licence="ImageNet's terms: non-commercial research",
    citation="Le and Yang, Tiny ImageNet visual recognition challenge, 2015; Deng et al., CVPR 2009",
)
