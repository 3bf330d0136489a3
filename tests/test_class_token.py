"""The last block for its class token alone is the whole block: timm's own, unmodified, is the oracle."""

import pytest
import timm
import torch
from timm.layers import Mlp
from timm.models.vision_transformer import ParallelScalingBlock, VisionTransformer
from torch.utils.flop_counter import FlopCounterMode

from tests.backbones_support import TINY, images, randomise, spec
from tradeoff import class_token, strategies
from tradeoff.backbones import build

STRATEGIES = [name for name, entry in strategies.STRATEGIES.items() if "vit" in entry.families]
VIT = TINY["vit"][1]


class Mixing(Mlp):
    """An MLP in which tokens meet, as in some networks."""

    def forward(self, x):
        return super().forward(x) + x.mean(1, keepdim=True)


def pair(family, strategy, monkeypatch, params=None, arguments=None):
    """A model as `strategies.apply` makes it, and the same one with timm's last block; float64."""
    section = spec(family)
    section |= {"arguments": section["arguments"] | (arguments or {}), "image_size": None}
    models = []
    for whole in (False, True):
        with monkeypatch.context() as patch:
            if whole:
                patch.setattr(class_token, "shorten", lambda net: None)
            model = build(section, 5, 0, None)
            applied = strategies.apply(model, strategy, params or {}, 0)
        randomise(model.net.parameters())
        models.append((model.double(), applied))
    (short, applied), (plain, _) = models
    assert short.net.state_dict().keys() == plain.net.state_dict().keys()
    return short, plain, applied


def outcome(model, x):
    """Logits and the gradients of everything that has one, the images included."""
    x = x.clone().requires_grad_()
    logits = model(x)
    names = [name for name, p in model.net.named_parameters() if p.requires_grad]
    parameters = strategies.trainable(model)
    assert set(names) == set(parameters)
    direction = torch.linspace(-1, 1, logits.numel(), dtype=x.dtype).view_as(logits)
    gradients = torch.autograd.grad((logits * direction).sum(), [x, *(parameters[n] for n in names)])
    return {"logits": logits, **dict(zip(["images", *names], gradients, strict=True))}


def assert_same(found, expected):
    for name, tensor in expected.items():
        difference = (found[name] - tensor).abs().max() / tensor.abs().max().clamp(min=1)
        assert difference <= 1e-10, f"{name}: {difference:.2e}"


@pytest.mark.parametrize("family", ["vit", "clip_vit"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_logits_and_gradients_are_those_of_the_whole_block(strategy, family, monkeypatch):
    short, plain, _ = pair(family, strategy, monkeypatch)
    x = images(family).double()
    assert isinstance(short.net.blocks[-1], class_token.ClassTokenBlock)
    assert_same(outcome(short, x), outcome(plain, x))
    with torch.no_grad():
        torch.testing.assert_close(short.features(x), plain.features(x), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(strategies.merged(short)(x), plain(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "params",
    [
        {"targets": ["k"]},
        {"targets": ["q", "proj"], "rank": 2},
        {"targets": ["v", "fc2"], "alpha": 3.0},
    ],
    ids=str,
)
def test_any_targets_of_lora_are_built_in(params, monkeypatch):
    short, plain, _ = pair("vit", "lora", monkeypatch, params)
    x = images("vit").double()
    assert_same(outcome(short, x), outcome(plain, x))


@pytest.mark.parametrize(
    ("arguments", "shortened"),
    [
        ({"qk_norm": True}, True),
        ({"qkv_bias": False}, True),
        ({"proj_bias": False}, True),
        ({"scale_attn_norm": True, "scale_mlp_norm": True}, True),
        ({"reg_tokens": 2}, True),
        ({"init_values": 0.3}, True),
        ({"attn_layer": "diff"}, False),
        ({"mlp_layer": Mixing}, False),
        ({"block_fn": ParallelScalingBlock}, False),
        ({"global_pool": "avg"}, False),
        ({"global_pool": "map"}, False),
        ({"class_token": False, "global_pool": "avg"}, False),
    ],
    ids=str,
)
def test_other_architectures_are_the_same_function_shortened_or_left_alone(arguments, shortened, monkeypatch):
    short, plain, _ = pair("vit", "full", monkeypatch, arguments=arguments)
    x = images("vit").double()
    assert isinstance(short.net.blocks[-1], class_token.ClassTokenBlock) == shortened
    assert_same(outcome(short, x), outcome(plain, x))


def test_a_network_that_reads_more_than_the_class_token_is_left_alone():
    net = timm.create_model("deit_tiny_distilled_patch16_224", num_classes=5, **VIT)
    assert type(net) is not VisionTransformer
    last = net.blocks[-1]
    class_token.shorten(net)
    assert net.blocks[-1] is last


@pytest.mark.parametrize(
    ("params", "arguments"),
    [
        ({"dropout": 0.5, "targets": ["q", "v"]}, {}),
        ({"targets": ["q", "v"]}, {"attn_drop_rate": 0.5, "drop_path_rate": 0.5}),
    ],
    ids=str,
)
def test_dropout_inside_attention_draws_the_same_masks(params, arguments, monkeypatch):
    short, plain, applied = pair("vit", "lora", monkeypatch, params, arguments)
    x = images("vit").double()
    evaluated = short(x)
    found = []
    for model in (short, plain):
        applied.train_mode(model)
        torch.manual_seed(3)
        found.append(outcome(model, x))
    assert_same(*found)
    assert not torch.allclose(found[0]["logits"], evaluated)


@pytest.mark.parametrize(("strategy", "params"), [("full", {}), ("lora", {"rank": 1}), ("ia3", {})])
def test_the_last_block_costs_an_eighth_or_less(strategy, params, monkeypatch):
    flops = []
    for model in pair("vit", strategy, monkeypatch, params, {"img_size": 64, "depth": 1})[:2]:
        x = torch.rand(64, 65, 32, dtype=torch.float64, requires_grad=True)
        with FlopCounterMode(display=False) as counter:
            model.net.blocks(x).sum().backward()
        flops.append(counter.get_total_flops())
    assert flops[0] <= flops[1] / 8
