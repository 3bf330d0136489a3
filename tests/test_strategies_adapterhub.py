"""lora, adapter, compacter and ia3 are the functions that AdapterHub computes, gradients included."""

import subprocess
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tradeoff import strategies
from tradeoff.backbones import build

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".venv-adapterhub"
SPEC = {
    "model": "vit_tiny_patch16_224",
    "arguments": {
        "img_size": 16,
        "patch_size": 8,
        "embed_dim": 64,
        "depth": 2,
        "num_heads": 4,
        "norm_layer": partial(nn.LayerNorm, eps=1e-12),
    },
    "mean": [0.5] * 3,
    "std": [0.5] * 3,
}
PARAMS = {"lora": {"alpha": 16.0}, "adapter": {}, "compacter": {"reduction_factor": 16.0}, "ia3": {}}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The folder of AdapterHub's results, computed in its own environment."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        pytest.skip("no environment .venv-adapterhub (make .venv-adapterhub/installed)")
    folder = tmp_path_factory.mktemp("adapterhub")
    script = ROOT / "tests" / "adapterhub" / "reference.py"
    subprocess.run([python, script, folder], check=True, capture_output=True, timeout=300)
    return folder


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=str)
@pytest.mark.parametrize("strategy", PARAMS)
def test_logits_and_gradients_equal_adapterhubs(reference, strategy, dtype, tolerance):
    given = load_file(reference / f"{strategy}.{str(dtype).removeprefix('torch.')}.safetensors")
    model = build(SPEC, classes=7, seed=0, weights=None).to(dtype)
    strategies.apply(model, strategy, PARAMS[strategy], seed=0)
    model.to(dtype).requires_grad_(True)
    state = timm_names({k.removeprefix("weights/"): v for k, v in given.items() if k.startswith("weights/")})
    shared = shared_rules(model.net, state)
    assert state.keys() | shared.keys() == model.net.state_dict().keys()
    model.net.load_state_dict(state | shared)

    logits = model(given["images"])
    (logits * given["direction"]).sum().backward()

    gradients = timm_names(
        {k.removeprefix("gradients/"): v for k, v in given.items() if k.startswith("gradients/")}
    )
    assert_close(logits, given["logits"], tolerance, "logits")
    own = dict(model.net.named_parameters())
    assert own.keys() == gradients.keys()
    for name, parameter in own.items():
        assert_close(parameter.grad, gradients[name], tolerance, name)


def assert_close(found, expected, tolerance, what):
    """Equal up to the tolerance times the largest number in `expected`, or times 1 when all are smaller."""
    assert found.shape == expected.shape, what
    difference = (found - expected).abs().max() / expected.abs().max().clamp(min=1)
    assert difference <= tolerance, f"{what}: {difference:.2e}"


def timm_names(hf):
    """AdapterHub's tensors under the names of our model, stacked where ours are."""
    state = {
        "cls_token": hf["vit.embeddings.cls_token"],
        "pos_embed": hf["vit.embeddings.position_embeddings"],
    }
    for end in ("weight", "bias"):
        state[f"patch_embed.proj.{end}"] = hf[f"vit.embeddings.patch_embeddings.projection.{end}"]
        state[f"norm.{end}"] = hf[f"vit.layernorm.{end}"]
        state[f"head.{end}"] = hf[f"classifier.{end}"]
    for index in range(2):
        state |= {
            f"blocks.{index}.{name}": tensor
            for name, tensor in block(hf, f"vit.encoder.layer.{index}.").items()
        }
    if (rule := hf.get("vit.shared_parameters.tested.phm_rule")) is not None:
        state["blocks.0.drop_path1.compacter.down.rule"] = rule
    return state


def block(hf, prefix):
    """One block's tensors: the plain ones, then what a strategy added."""
    attention = [f"{prefix}attention.attention.{name}" for name in ("query", "key", "value")]
    plain = {
        "norm1": f"{prefix}layernorm_before",
        "norm2": f"{prefix}layernorm_after",
        "attn.proj": f"{prefix}attention.output.dense",
        "mlp.fc1": f"{prefix}intermediate.dense",
        "mlp.fc2": f"{prefix}output.dense",
    }
    found = {f"{own}.{end}": hf[f"{name}.{end}"] for own, name in plain.items() for end in ("weight", "bias")}
    for end in ("weight", "bias"):
        found[f"attn.qkv.{end}"] = torch.cat([hf[f"{name}.{end}"] for name in attention])
    for own, names in {
        "attn.qkv": attention,
        "mlp.fc1": [plain["mlp.fc1"]],
        "mlp.fc2": [plain["mlp.fc2"]],
    }.items():
        down = [hf[key] for name in names if (key := f"{name}.loras.tested.lora_A") in hf]
        up = [hf[key] for name in names if (key := f"{name}.loras.tested.lora_B") in hf]
        if down:
            found |= {f"{own}.lora.A": torch.cat(down), f"{own}.lora.B": torch.stack(up)}
        elif up:
            found[f"{own}.ia3.scale"] = torch.cat(up).flatten()
    for own, name in (("drop_path1", "attention_adapters"), ("drop_path2", "output.output_adapters")):
        for layer, module in (("down", "adapter_down.0"), ("up", "adapter_up")):
            theirs = f"{prefix}{name}.adapters.tested.{module}"
            for kind, ours, end in (
                ("adapter", "weight", "weight"),
                ("adapter", "bias", "bias"),
                ("compacter", "left", "W_left"),
                ("compacter", "right", "W_right"),
                ("compacter", "bias", "b"),
            ):
                if f"{theirs}.{end}" in hf:
                    found[f"{own}.{kind}.{layer}.{ours}"] = hf[f"{theirs}.{end}"]
    return found


def shared_rules(net, state):
    """The compacter's one rule under all of its names."""
    return {
        name: state["blocks.0.drop_path1.compacter.down.rule"]
        for name in net.state_dict()
        if name.endswith(".rule")
    }
