"""The papers' backbones in params.yaml: what timm says of their weights, from timm itself."""

from pathlib import Path

import pytest

from tradeoff.families import FAMILIES, family_of
from tradeoff.params import load_params

BACKBONES = load_params([Path(__file__).parents[1] / "params.yaml"])["backbones"]
PAPERS = {name: spec for name, spec in BACKBONES.items() if "hub" in spec["weights"]}


def test_the_one_of_p1_and_the_six_of_p2_are_there():
    p2 = {"vit_b16_augreg_in1k", "swin_b", "convnext_b", "resnet50_a1", "clip_vit_b16", "clip_convnext_b"}
    assert PAPERS.keys() == {"vit_b16", *p2}


@pytest.mark.parametrize("name", PAPERS)
def test_preprocessing_and_repository_are_those_that_timm_states(name):
    import timm

    spec = PAPERS[name]
    stated = timm.get_pretrained_cfg(spec["model"])
    assert (tuple(spec["mean"]), tuple(spec["std"])) == (stated.mean, stated.std)
    assert spec["weights"]["hub"] == stated.hf_hub_id
    assert family_of(spec["model"]) in FAMILIES
    # P1 resizes otherwise than timm would, and P2 shows every backbone 224 pixels.
    assert spec["interpolation"] == ("bilinear" if name == "vit_b16" else stated.interpolation)
    assert spec["resize"] == ("squash" if name == "vit_b16" else "crop")
    assert spec["image_size"] == (224 if name == "clip_convnext_b" else stated.input_size[1])


@pytest.mark.parametrize("name", PAPERS)
def test_its_architecture_is_one_that_every_strategy_knows_how_to_treat(name):
    import timm
    import torch

    with torch.device("meta"):
        net = timm.create_model(PAPERS[name]["model"], pretrained=False, num_classes=3)
    assert type(net).__name__ in FAMILIES[family_of(PAPERS[name]["model"])][1]
