"""Snapshots come back bit for bit, and only into the model they belong to."""

import json
import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, safe_open

from tests.backbones_support import images, randomise, spec, tiny
from tradeoff import snapshots, strategies
from tradeoff.errors import UserError

LORA = {"name": "lora", "params": {"rank": 4}}
METADATA = snapshots.metadata(LORA, spec("vit"), "abc")


def with_strategy(family, strategy, params=None, seed=0):
    model = tiny(family)
    strategies.apply(model, strategy, params or {}, seed)
    return model


def trained(family, strategy, params=None):
    """A model as if it had trained: nothing of what a snapshot holds is at its initial value."""
    model = with_strategy(family, strategy, params)
    randomise(strategies.trainable(model).values())
    if model.moving:
        model.train()
        model(images(family, 8))
        model.eval()
    return model


@pytest.fixture
def file(tmp_path):
    """Snapshots of a LoRA model at steps 0, 10 and 200."""
    for step in (0, 10, 200):
        model = with_strategy("vit", "lora", {"rank": 4})
        randomise(strategies.trainable(model).values(), seed=step)
        snapshots.write_part(tmp_path / "parts", step, snapshots.trainable_state(model))
    snapshots.join(tmp_path / "parts", [0, 10, 200], tmp_path / "snapshots.safetensors", METADATA)
    return tmp_path / "snapshots.safetensors"


@pytest.mark.parametrize(
    ("family", "strategy"),
    [
        ("vit", "full"),
        ("vit", "lora"),
        ("clip_vit", "vpt"),
        ("swin", "compacter"),
        ("convnext", "adapter"),
        ("swin", "ia3"),
        ("resnet", "full"),
        ("mobilenet", "lp_ft"),
        ("resnet", "norm"),
        ("vit", "dora"),
        ("vit", "union"),
    ],
)
def test_a_model_comes_back_bit_for_bit(family, strategy, tmp_path):
    source = trained(family, strategy)
    metadata = snapshots.metadata({"name": strategy, "params": {}}, spec(family), "abc")
    snapshots.write_part(tmp_path, 7, snapshots.trainable_state(source))
    snapshots.join(tmp_path, [7], tmp_path / "all.safetensors", metadata)
    joined, part = with_strategy(family, strategy), with_strategy(family, strategy)
    x = images(family)
    assert not torch.equal(joined(x), source(x))
    snapshots.load(joined, tmp_path / "all.safetensors", 7, metadata)
    snapshots.load_part(part, tmp_path, 7)
    for model in (joined, part):
        assert torch.equal(model(x), source(x))
        state = source.net.state_dict()
        assert all(torch.equal(tensor, state[name]) for name, tensor in model.net.state_dict().items())
        assert [p.requires_grad for p in model.parameters()] == [p.requires_grad for p in source.parameters()]


def test_statistics_of_batch_norm_are_kept_only_where_they_move():
    assert any("running_mean" in name for name in snapshots.trainable_state(trained("resnet", "full")))
    assert not any("running" in name for name in snapshots.trainable_state(trained("resnet", "bitfit")))


def test_every_step_is_its_own(file):
    assert snapshots.steps(file) == [0, 10, 200]
    model = with_strategy("vit", "lora", {"rank": 4})
    for step in (200, 0, 10):
        expected = with_strategy("vit", "lora", {"rank": 4})
        randomise(strategies.trainable(expected).values(), seed=step)
        snapshots.load(model, file, step, METADATA)
        assert torch.equal(model(images("vit")), expected(images("vit")))


DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    shapes=st.dictionaries(
        st.from_regex(r"[a-z]{1,4}(\.[a-zé\"]{1,4}){0,2}", fullmatch=True),
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=3)),
        min_size=1,
        max_size=6,
    ),
    steps=st.lists(st.integers(0, 99_999_999), min_size=1, max_size=4, unique=True),
)
def test_joining_keeps_every_tensor_of_every_part(shapes, steps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    expected = {}
    for step in steps:
        state = {name: torch.randint(0, 2, shape).to(dtype) for name, (dtype, shape) in shapes.items()}
        snapshots.write_part(folder, step, state)
        expected |= {f"{step:08d}/{name}": tensor for name, tensor in state.items()}
    outputs = [folder / "a.safetensors", folder / "b.safetensors"]
    for output, order in zip(outputs, (steps, sorted(steps)), strict=True):
        snapshots.join(folder, order, output, {"b": "1", "a": "é"})
    found = load_file(outputs[0])
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert safe_open(outputs[0], "pt").metadata() == {"a": "é", "b": "1"}
    assert snapshots.steps(outputs[0]) == sorted(steps)
    assert all(offset % size == 0 for offset, size in places(outputs[0]))


def places(file):
    """Byte offsets of a file's tensors with the sizes of their elements."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    sizes = {"F64": 8, "I64": 8, "F32": 4, "BF16": 2, "F16": 2, "U8": 1, "BOOL": 1}
    return [
        (8 + length + about["data_offsets"][0], sizes[about["dtype"]])
        for name, about in header.items()
        if name != "__metadata__"
    ]


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (
            snapshots.metadata({"name": "ia3", "params": {"rank": 4}}, spec("vit"), "abc"),
            ["strategy lora", "ia3"],
        ),
        (
            snapshots.metadata({"name": "lora", "params": {"rank": 8}}, spec("vit"), "abc"),
            ['"rank":4', '"rank":8'],
        ),
        (snapshots.metadata(LORA, spec("swin"), "abc"), ["backbone vit_tiny", "swin_tiny"]),
        (snapshots.metadata(LORA, spec("vit") | {"mean": [0, 0, 0]}, "abc"), ["settings of the backbone"]),
        (snapshots.metadata(LORA, spec("vit"), "abd"), ["weights of the backbone abc", "abd"]),
    ],
)
def test_snapshots_of_another_run_are_refused(file, metadata, words):
    model = with_strategy("vit", "lora", {"rank": 4})
    before = {name: tensor.clone() for name, tensor in model.net.state_dict().items()}
    with pytest.raises(UserError) as refusal:
        snapshots.load(model, file, 10, metadata)
    assert all(word in str(refusal.value) for word in words)
    assert str(file) in str(refusal.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.net.state_dict().items())


@pytest.mark.parametrize(
    ("family", "strategy", "params", "words"),
    [
        ("vit", "bitfit", {}, "has besides blocks.0.attn.qkv.lora.A"),
        ("vit", "union", {"members": {"lora": {"rank": 4}, "bitfit": {}}}, "lacks blocks.0.attn.proj.bias"),
        ("vit", "lora", {"rank": 8}, "shape"),
        ("swin", "lora", {"rank": 4}, "lacks"),
    ],
)
def test_snapshots_whose_tensors_do_not_fit_are_refused(file, family, strategy, params, words):
    model = with_strategy(family, strategy, params)
    with pytest.raises(UserError) as refusal:
        snapshots.load(model, file, 10, METADATA)
    assert words in str(refusal.value)


def test_a_step_that_is_not_there_is_refused(file):
    with pytest.raises(UserError, match="no snapshot of step 11"):
        snapshots.load(with_strategy("vit", "lora", {"rank": 4}), file, 11, METADATA)


@pytest.mark.parametrize("size", [0, 5, 8, 400, -1, -5000])
def test_a_file_cut_short_is_refused(file, size):
    file.write_bytes(file.read_bytes()[:size])
    for use in (
        lambda: snapshots.steps(file),
        lambda: snapshots.load(with_strategy("vit", "lora", {"rank": 4}), file, 10, METADATA),
    ):
        with pytest.raises(UserError, match="broken file"):
            use()


def test_missing_and_broken_parts_are_refused_and_leave_no_file(tmp_path):
    model = trained("vit", "bitfit")
    snapshots.write_part(tmp_path, 1, snapshots.trainable_state(model))
    with pytest.raises(UserError, match="no such file"):
        snapshots.join(tmp_path, [1, 2], tmp_path / "all.safetensors", {})
    part = next(tmp_path.glob("part-*1.safetensors"))
    part.write_bytes(part.read_bytes()[:-3])
    with pytest.raises(UserError, match="broken"):
        snapshots.join(tmp_path, [1], tmp_path / "all.safetensors", {})
    with pytest.raises(UserError, match="broken"):
        snapshots.load_part(with_strategy("vit", "bitfit"), tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == [part.name]
