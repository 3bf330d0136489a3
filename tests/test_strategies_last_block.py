"""A last block that computes the class token alone leaves logits and gradients as timm's own block gives them."""

import pytest
import torch
from timm.models.vision_transformer import Block

from tradeoff import strategies
from tradeoff.backbones import build
from tradeoff.strategies.last_block import LastBlock

TINY = {"img_size": 16, "patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 2}
MODELS = {
    "plain": ("vit_tiny_patch16_224", {}),
    "norms of q and k": ("vit_tiny_patch16_224", {"qk_norm": True, "init_values": 0.1}),
    "registers": ("vit_tiny_patch16_224", {"reg_tokens": 3}),
    "clip": ("vit_base_patch16_clip_224", {}),
    "one block": ("vit_tiny_patch16_224", {"depth": 1}),
}


def applied(model, arguments, strategy):
    spec = {"model": model, "arguments": TINY | arguments, "mean": [0.5] * 3, "std": [0.5] * 3}
    model = build(spec, classes=5, seed=0, weights=None)
    strategies.apply(model, strategy, {}, seed=0)
    model.double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.net.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator, dtype=torch.double)
    return model


def gradients(model, images):
    images = images.clone().requires_grad_(True)
    logits = model(images)
    (logits * torch.arange(5.0)).sum().backward()
    found = {name: p.grad for name, p in model.net.named_parameters() if p.grad is not None}
    return found | {"logits": logits.detach(), "images": images.grad}


@pytest.mark.parametrize(
    ("kind", "strategy"),
    [
        *((kind, "full") for kind in MODELS),
        *(("plain", name) for name in strategies.STRATEGIES if name != "full"),
    ],
)
def test_logits_and_gradients_are_those_of_timms_block(kind, strategy):
    model = applied(*MODELS[kind], strategy)
    last = model.net.blocks[-1]
    assert type(last) is LastBlock
    images = torch.rand(3, 3, 16, 16, dtype=torch.double, generator=torch.Generator().manual_seed(2))
    found = gradients(model, images)
    assert torch.equal(model.classify_features(model.features(images)), found["logits"])

    model.zero_grad()
    last.__class__ = Block
    expected = gradients(model, images)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.allclose(
            found[name], tensor, rtol=0, atol=1e-10 * max(1.0, float(tensor.abs().max()))
        ), name
    assert float(expected["images"].abs().max()) > 1e-3


@pytest.mark.parametrize("arguments", [{"global_pool": "avg"}, {"global_pool": "map"}])
def test_a_network_that_reads_other_tokens_keeps_its_last_block(arguments):
    model = applied("vit_tiny_patch16_224", arguments, "full")
    assert type(model.net.blocks[-1]) is Block


def test_the_other_tokens_pass_through_the_last_block_as_keys_and_values_only():
    model = applied(*MODELS["plain"], "full")
    seen = []
    block = model.net.blocks[-1]
    for layer in (block.attn.qkv, block.attn.proj, block.mlp):
        layer.register_forward_hook(lambda _, given, out: seen.append(given[0].shape[1]))
    model(torch.rand(2, 3, 16, 16, dtype=torch.double))
    assert seen == [17, 1, 1]
