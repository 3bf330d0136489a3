"""What each strategy computes, against formulas written out here, and merging."""

import copy

import pytest
import torch
from torch import nn

from tests.backbones_support import images, randomise, tiny
from tradeoff import strategies

FOLDED = [
    ("lora", {"rank": 3, "alpha": 6.0}, ["vit", "clip_vit", "swin", "convnext", "resnet", "mobilenet"]),
    ("ia3", {}, ["vit", "clip_vit", "swin"]),
    ("dora", {"rank": 3}, ["vit", "swin", "convnext"]),
    ("union", {"members": {"ia3": {}, "lora": {"rank": 2}, "bitfit": {}}}, ["vit", "swin"]),
]


def applied(family, strategy, params, dtype=torch.float64):
    """A tiny backbone with a strategy whose parameters are anything but their initial values."""
    model = tiny(family)
    strategies.apply(model, strategy, params, 0)
    randomise(strategies.trainable(model).values())
    return model.to(dtype)


@pytest.mark.parametrize(
    ("strategy", "params", "family"), [(s, p, family) for s, p, families in FOLDED for family in families]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=str)
def test_merging_keeps_the_outputs_and_leaves_no_insertions(strategy, params, family, dtype, tolerance):
    model = applied(family, strategy, params, dtype)
    x = images(family).to(dtype)
    with torch.no_grad():
        before = model(x)
        folded = strategies.merged(model)
        scale = before.abs().max().clamp(min=1)
        assert (folded(x) - before).abs().max() <= tolerance * scale
        assert torch.equal(model(x), before)
    assert folded is not model
    assert set(folded.net.state_dict()) == set(tiny(family).net.state_dict())
    assert not any(parameter.requires_grad for parameter in folded.parameters())


@pytest.mark.parametrize("strategy", ["full", "linear", "bitfit", "adapter", "compacter", "vpt"])
def test_merging_is_the_identity_where_nothing_can_be_folded(strategy):
    model = applied("vit", strategy, {})
    assert strategies.merged(model) is model


@pytest.mark.parametrize("targets", [["q"], ["k"], ["v"], ["q", "v"], ["k", "proj"], ["fc2", "v", "k", "q"]])
def test_lora_updates_the_rows_of_its_targets_in_the_fused_matrix(targets):
    model = applied("vit", "lora", {"rank": 3, "alpha": 6.0, "targets": targets})
    plain = tiny("vit").double()
    plain.net.load_state_dict(model.net.state_dict(), strict=False)
    rank, width, scale = 3, 32, 6.0 / 3
    for block, source in zip(plain.net.blocks, model.net.blocks, strict=True):
        with torch.no_grad():
            chosen = [part for part in ("q", "k", "v") if part in targets]
            for number, part in enumerate(chosen):
                A = source.attn.qkv.lora.A[number * rank : (number + 1) * rank]
                B = source.attn.qkv.lora.B[number]
                row = ("q", "k", "v").index(part) * width
                block.attn.qkv.weight[row : row + width] += scale * (B @ A)
            for layer, tuned in (
                (block.attn.proj, source.attn.proj),
                (block.mlp.fc1, source.mlp.fc1),
                (block.mlp.fc2, source.mlp.fc2),
            ):
                if hasattr(tuned, "lora"):
                    layer.weight += scale * (tuned.lora.B[0] @ tuned.lora.A)
    names = {"proj", "fc1", "fc2"}
    assert {n for n in names if hasattr(getattr(source.attn if n == "proj" else source.mlp, n), "lora")} == (
        names & set(targets)
    )
    x = images("vit").double()
    torch.testing.assert_close(model(x), plain(x), rtol=1e-12, atol=1e-12)


def test_lora_on_convolutions_updates_their_kernels():
    model = applied("resnet", "lora", {"rank": 2, "alpha": 4.0})
    plain = tiny("resnet").double()
    plain.net.load_state_dict(model.net.state_dict(), strict=False)
    changed = 0
    for name, module in model.net.named_modules():
        if hasattr(module, "lora"):
            layer = plain.net.get_submodule(name)
            assert isinstance(layer, nn.Conv2d)
            with torch.no_grad():
                layer.weight += 2.0 * (module.lora.B[0] @ module.lora.A)[:, :, None, None]
            changed += module.stride[0]
    assert changed > 12  # among them one with a stride
    x = images("resnet").double()
    torch.testing.assert_close(model(x), plain(x), rtol=1e-10, atol=1e-10)


def test_dora_scales_each_row_to_its_learned_magnitude():
    model = applied("vit", "dora", {"rank": 3, "alpha": 6.0})
    plain = tiny("vit").double()
    for block, source in zip(plain.net.blocks, model.net.blocks, strict=True):
        for layer, tuned in (
            (block.attn.qkv, source.attn.qkv),
            (block.mlp.fc1, source.mlp.fc1),
            (block.mlp.fc2, source.mlp.fc2),
        ):
            A, B = tuned.lora_A["default"].weight, tuned.lora_B["default"].weight
            direction = tuned.base_layer.weight + 2.0 * (B @ A)
            magnitude = tuned.lora_magnitude_vector["default"].weight
            layer.weight.data = magnitude[:, None] * direction / direction.norm(dim=1, keepdim=True)
    plain.net.head.load_state_dict(model.net.head.state_dict())
    x = images("vit").double()
    torch.testing.assert_close(model(x), plain(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("family", ["vit", "clip_vit"])
def test_prompts_stand_between_the_class_token_and_the_patches(deep, family):
    model = applied(family, "vpt", {"prompts": 3, "deep": deep})
    net = copy.deepcopy(model.net)
    prompts = [getattr(block, "prompts", None) for block in net.blocks]
    assert [p is not None for p in prompts] == [True, deep]
    for block in net.blocks:
        block._forward_pre_hooks.clear()
        block._forward_hooks.clear()
    x = images(family).double()
    tokens = net.norm_pre(net._pos_embed(net.patch_embed((x - model.mean) / model.std)))
    for index, (block, own) in enumerate(zip(net.blocks, prompts, strict=True)):
        patches = tokens[:, 1:] if index == 0 else tokens[:, 4:]
        middle = tokens[:, 1:4] if own is None else own.expand(len(x), -1, -1)
        tokens = block(torch.cat([tokens[:, :1], middle, patches], dim=1))
    expected = net.head(net.fc_norm(net.norm(tokens)[:, 0]))
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)


def test_a_compacter_is_the_sum_of_kronecker_products():
    model = applied("vit", "compacter", {"reduction_factor": 4.0, "phm_rank": 2})
    layer = model.net.blocks[1].drop_path2.compacter.down
    expected = sum(
        torch.kron(rule, left @ right)
        for rule, left, right in zip(layer.rule, layer.left, layer.right, strict=True)
    )
    torch.testing.assert_close(layer.matrix(), expected)
    rules = {id(block.drop_path1.compacter.up.rule) for block in model.net.blocks}
    assert len(rules | {id(layer.rule)}) == 1


@pytest.mark.parametrize("strategy", ["adapter", "compacter"])
def test_adapters_on_convolutional_blocks_see_channels(strategy):
    model = applied("convnext", strategy, {"reduction_factor": 2.0})
    block = model.net.stages[0].blocks[0]
    inserted = getattr(block.drop_path, strategy)
    h = torch.randn(2, 8, 3, 5, dtype=torch.float64)
    there = inserted(h)
    for row in range(3):
        for column in range(5):
            x = h[:, :, row, column]
            expected = x + inserted.up(nn.functional.gelu(inserted.down(x)))
            torch.testing.assert_close(there[:, :, row, column], expected)


def test_initial_values_are_the_published_ones():
    lora, adapter, compacter = (tiny("vit") for _ in range(3))
    strategies.apply(lora, "lora", {}, 0)
    strategies.apply(adapter, "adapter", {"reduction_factor": 1.0}, 0)
    strategies.apply(compacter, "compacter", {}, 0)
    A, B = lora.net.blocks[0].mlp.fc2.lora.A, lora.net.blocks[0].mlp.fc2.lora.B
    assert A.shape == (8, 128)
    bound = (6 / ((1 + 5) * 128)) ** 0.5  # kaiming-uniform with a = sqrt(5)
    assert 0.9 * bound < A.abs().max() <= bound
    assert not B.any()
    down = adapter.net.blocks[0].drop_path1.adapter.down
    assert abs(down.weight.std().item() - 0.02) < 0.002
    assert not down.bias.any()
    layer = compacter.net.blocks[0].drop_path1.compacter.down
    assert 3e-5 < layer.rule.std() < 3e-4
    assert not layer.bias.any()
    # xavier-normal of (32/4, 1) and (1, 4/4)
    left = torch.cat([block.drop_path1.compacter.down.left.flatten() for block in compacter.net.blocks])
    assert abs(left.std().item() - (2 / 9) ** 0.5) < 0.1
