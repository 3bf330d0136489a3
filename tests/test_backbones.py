"""Backbones: whose weights they take, what they refuse, and where weights come from."""

import hashlib
import json
import os
import re
import socket
import types

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.backbones_support import NORMALISATION, TINY, images, mirror, spec, tiny
from tradeoff.backbones import build, fetch_weights, head_names
from tradeoff.data.decode import Form, decode
from tradeoff.errors import UserError

VIT_TINY32 = {
    "model": "vit_tiny_patch16_224",
    "arguments": {"img_size": 32, "patch_size": 4, "embed_dim": 128, "depth": 6, "num_heads": 4},
    "mean": [0.5] * 3,
    "std": [0.5] * 3,
    "image_size": 32,
}
MOBILENET = {
    "model": "mobilenetv2_100",
    "arguments": {"pad_type": "same"},
    "mean": [0.5] * 3,
    "std": [0.5] * 3,
}


def saved(model, path, **changes):
    """Write a model's weights, with some tensors replaced, or left out where they are None."""
    state = model.net.state_dict() | changes
    save_file({k: v.contiguous() for k, v in state.items() if v is not None}, path)
    return path


@pytest.mark.parametrize("family", TINY)
def test_normalisation_is_inside_and_features_end_before_the_classifier(family):
    model, x = tiny(family), images(family)
    mean, std = (torch.tensor(NORMALISATION[key]).view(3, 1, 1) for key in ("mean", "std"))
    expected = model.net((x - mean) / std)
    assert torch.equal(model(x), expected)
    features = model.features(x)
    head = [name for name, _ in model.net.named_parameters() if name.startswith(TINY[family][3])]
    weight, bias = (model.net.get_parameter(name) for name in head)
    assert features.shape == (4, weight.shape[1])
    torch.testing.assert_close(features @ weight.T + bias, expected)
    torch.testing.assert_close(model.classify_features(features), expected)
    assert set(head_names(model.net)) == set(head)


@pytest.mark.parametrize("family", TINY)
def test_weights_are_taken_all_but_the_classifier(family, tmp_path):
    source = tiny(family, classes=9, seed=1)
    file = saved(source, tmp_path / "w.safetensors")
    model = build(spec(family), 5, seed=2, weights=file)
    fresh = tiny(family, classes=5, seed=2)
    for name, tensor in model.net.state_dict().items():
        is_head = name.startswith(TINY[family][3])
        expected = (fresh if is_head else source).net.state_dict()[name]
        assert torch.equal(tensor, expected), name
    assert not model.training


def test_the_classifier_is_drawn_from_the_seed_or_kept(tmp_path):
    file = saved(tiny("vit", classes=5, seed=1), tmp_path / "w.safetensors")
    first, again, other = (build(spec("vit"), 5, seed, file).net.head.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    kept = build(spec("vit"), 5, 0, file, keep_head=True)
    assert torch.equal(kept.net.head.weight, tiny("vit", seed=1).net.head.weight)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"norm.weight": None, "norm.bias": None}, "2 missing (norm.weight, norm.bias)"),
        ({"surplus.weight": torch.zeros(2)}, "1 unexpected (surplus.weight)"),
        (
            {"pos_embed": torch.zeros(1, 9, 32)},
            "1 of another shape (pos_embed (1, 9, 32) instead of (1, 5, 32))",
        ),
    ],
)
def test_weights_that_are_not_the_backbones_are_refused(changes, words, tmp_path):
    file = saved(tiny("vit"), tmp_path / "w.safetensors", **changes)
    with pytest.raises(UserError) as refusal:
        build(spec("vit"), 5, 0, file)
    assert words in str(refusal.value)
    assert "vit_tiny_patch16_224" in str(refusal.value)


def test_weights_of_another_architecture_are_refused_whatever_their_names(tmp_path):
    for other in ("swin", "convnext", "resnet", "mobilenet"):
        file = saved(tiny(other), tmp_path / f"{other}.safetensors")
        for family in TINY:
            if family != other:
                with pytest.raises(UserError, match="missing"):
                    build(spec(family), 5, 0, file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "vit_enormous_patch16_224"}, "vit_enormous_patch16_224"),
        ({"model": "inception_v4"}, "known family"),
        ({"arguments": {"widht": 3}}, "widht"),
        ({"arguments": {"embed_dim": 33, "num_heads": 2}}, "timm refuses"),
        ({"arguments": {"checkpoint_path": "evil.bin"}}, "checkpoint_path"),
        ({"arguments": {"pretrained": True}}, "pretrained"),
        ({"image_size": 32}, "image_size: found 32; expected 16"),
    ],
)
def test_specs_that_cannot_be_built_are_refused(change, words):
    with pytest.raises(UserError) as refusal:
        build(spec("vit") | change, 5, 0, None)
    assert words in str(refusal.value)


@pytest.mark.parametrize("size", [0, 7, 100, 5000, -1])
def test_broken_safetensors_are_refused(size, tmp_path):
    file = saved(tiny("vit"), tmp_path / "w.safetensors")
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(UserError, match="broken"):
        build(spec("vit"), 5, 0, file)


class Malicious:
    """Unpickled, it would make a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_torch_file_is_read_only_when_it_holds_tensors_alone(tmp_path):
    model = tiny("vit", seed=1)
    torch.save({"state_dict": model.net.state_dict()}, tmp_path / "w.pth")
    loaded = build(spec("vit"), 5, 0, tmp_path / "w.pth", keep_head=True)
    assert torch.equal(loaded(images("vit")), model(images("vit")))
    torch.save(
        {"state_dict": model.net.state_dict(), "x": Malicious(tmp_path / "pwned")}, tmp_path / "evil.pth"
    )
    with pytest.raises(UserError, match="cannot be read safely"):
        build(spec("vit"), 5, 0, tmp_path / "evil.pth")
    assert not (tmp_path / "pwned").exists()


# --- fetching


def test_a_file_is_found_by_path_and_copied_byte_by_byte(tmp_path):
    file = saved(tiny("vit"), tmp_path / "w.safetensors")
    about = fetch_weights({"file": str(file)}, None, tmp_path / "out" / "weights.safetensors")
    assert (tmp_path / "out" / "weights.safetensors").read_bytes() == file.read_bytes()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert about == {"source": str(file), "source_sha256": digest}
    json.dumps(about)


def test_a_torch_file_becomes_safetensors_of_the_same_tensors(tmp_path):
    state = tiny("vit").net.state_dict()
    torch.save({"model": state}, tmp_path / "w.pth")
    fetch_weights({"file": str(tmp_path / "w.pth")}, None, tmp_path / "weights.safetensors")
    found = load_file(tmp_path / "weights.safetensors")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_a_wrapped_robust_checkpoint_is_named_as_timm_names_it_and_the_report_says_how(tmp_path):
    """As robust checkpoints come: inside a wrapper, with a normalisation of their own and an epoch's number."""
    model = tiny("resnet", seed=1)
    state = {f"module.model.{name}": tensor for name, tensor in model.net.state_dict().items()}
    state |= {"module.normalize.mean": torch.zeros(3), "module.normalize.std": torch.ones(3)}
    torch.save({"state_dict": state}, tmp_path / "robust.pt")
    about = fetch_weights(
        {"file": str(tmp_path / "robust.pt")}, None, tmp_path / "weights.safetensors", spec("resnet")
    )
    assert about["names"] == {
        "prefix_removed": "module.model.",
        "by_timm": False,
        "left_out": ["module.normalize.mean", "module.normalize.std"],
    }
    assert load_file(tmp_path / "weights.safetensors").keys() == model.net.state_dict().keys()
    loaded = build(spec("resnet"), 5, 0, tmp_path / "weights.safetensors", keep_head=True)
    assert torch.equal(loaded(images("resnet")), model(images("resnet")))


def test_names_of_facebooks_convnext_are_translated_by_timm(tmp_path):
    model = tiny("convnext", seed=1)
    older = {"stem.": "downsample_layers.0.", "head.norm.": "norm.", "head.fc.": "head.", "conv_dw": "dwconv"}
    older |= {"mlp.fc1": "pwconv1", "mlp.fc2": "pwconv2"}
    state = {}
    for name, tensor in model.net.state_dict().items():
        for new, old in older.items():
            name = name.replace(new, old)
        name = re.sub(r"stages\.(\d)\.blocks", r"stages.\1", name)
        state[re.sub(r"stages\.(\d)\.downsample", r"downsample_layers.\1", name)] = tensor
    save_file(state, tmp_path / "old.safetensors")
    about = fetch_weights(
        {"file": str(tmp_path / "old.safetensors")}, None, tmp_path / "new.safetensors", spec("convnext")
    )
    assert about["names"]["by_timm"]
    assert load_file(tmp_path / "new.safetensors").keys() == model.net.state_dict().keys()


def test_weights_of_another_architecture_are_refused_when_they_are_fetched(tmp_path):
    file = saved(tiny("swin"), tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"weights of resnet50 in .*missing"):
        fetch_weights({"file": str(file)}, None, tmp_path / "out.safetensors", spec("resnet"))
    assert not (tmp_path / "out.safetensors").exists()


def test_a_wrong_checksum_is_refused_and_nothing_is_written(tmp_path):
    file = saved(tiny("vit"), tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="sha256"):
        fetch_weights({"file": str(file), "sha256": "0" * 64}, None, tmp_path / "out.safetensors")
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(UserError, match="broken"):
        fetch_weights({"file": str(file)}, None, tmp_path / "out.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.safetensors"]


@pytest.fixture
def no_hub(monkeypatch):
    """Fail the test when something asks the hub."""
    import huggingface_hub

    def download(*arguments, **options):
        pytest.fail("the network was used")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)


def test_with_a_mirror_nothing_touches_the_network(no_hub, tmp_path):
    folder = tmp_path / "mirror"
    (folder / "weights").mkdir(parents=True)
    saved(tiny("vit"), folder / "weights" / "here.safetensors")
    hub = {"hub": "timm/here", "revision": "0" * 40}
    assert fetch_weights(hub, folder, tmp_path / "a.safetensors")["source"] == "mirror: here.safetensors"
    assert fetch_weights({"file": "here.safetensors"}, folder, tmp_path / "b.safetensors")
    for absent in ({"hub": "timm/absent", "revision": "0" * 40}, {"file": "absent.safetensors"}):
        with pytest.raises(UserError, match=r"absent\.safetensors"):
            fetch_weights(absent, folder, tmp_path / "c.safetensors")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("RevisionNotFoundError", "no commit"),
        ("RepositoryNotFoundError", "no such public"),
        ("", "TRADEOFF_MIRROR"),
    ],
)
def test_a_failed_download_is_one_clear_line(error, words, monkeypatch, tmp_path):
    import huggingface_hub

    class Response:
        """As much of a response as the hub's errors look at."""

        headers = types.MappingProxyType({})
        request = None
        status_code = 404

    def download(repository, filename, revision):
        assert (repository, filename, revision) == ("timm/x", "model.safetensors", "a" * 40)
        if error:
            raise getattr(huggingface_hub.errors, error)("not there", response=Response())
        raise ConnectionError("Name or service not known\nat length")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(UserError) as refusal:
        fetch_weights({"hub": "timm/x", "revision": "a" * 40}, None, tmp_path / "w.safetensors")
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_a_download_is_pinned_to_its_revision(monkeypatch, tmp_path):
    import huggingface_hub

    file = saved(tiny("vit"), tmp_path / "w.safetensors")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repository, filename, revision: str(file))
    weights = {"hub": "timm/x", "revision": "a" * 40}
    about = fetch_weights(weights, None, tmp_path / "out.safetensors")
    assert (about["source"], about["revision"]) == ("timm/x", "a" * 40)


@pytest.mark.parametrize(
    ("name", "settings", "size"),
    [
        ("vit_tiny32.tiny_imagenet32", VIT_TINY32, 32),
        ("mobilenetv2_100.tf_in1k", MOBILENET, 96),
    ],
)
def test_the_mirrors_weights_arrive_without_the_network_and_fit(name, settings, size, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    fetched = tmp_path / "weights.safetensors"
    fetch_weights({"file": f"{name}.safetensors"}, mirror(), fetched, settings)
    model = build(settings, 10, 0, fetched)
    state = load_file(mirror() / "weights" / f"{name}.safetensors")
    assert all(
        torch.equal(tensor, state[key])
        for key, tensor in model.net.state_dict().items()
        if key not in head_names(model.net)
    )
    assert model(torch.rand(2, 3, size, size)).shape == (2, 10)


# Classes of Caltech-101 that ImageNet has too, and their numbers there.
IMAGENET = {"accordion": 401, "airplanes": 404, "ant": 310, "barrel": 427, "beaver": 337, "binocular": 447}
IMAGENET |= {"cannon": 471, "dalmatian": 251, "dragonfly": 319, "electric_guitar": 546, "flamingo": 130}
IMAGENET |= {"grand_piano": 579, "laptop": 620, "Leopards": 288, "llama": 355, "nautilus": 117, "pizza": 963}
IMAGENET |= {"platypus": 103, "revolver": 763, "rooster": 7, "schooner": 780, "scorpion": 71}
IMAGENET |= {"soccer_ball": 805, "starfish": 327, "strawberry": 949, "umbrella": 879}


def test_the_mirrors_mobilenet_names_photographs_and_does_so_worse_without_its_padding(tmp_path):
    """Top-1 among ImageNet's 1,000 classes on photographs of Caltech-101: names of tensors alone prove nothing."""
    folder, images, labels = mirror(), [], []
    rows = pq.read_table(folder / "datasets" / "caltech101" / "test.parquet")
    about = json.loads(rows.schema.metadata[b"huggingface"])["info"]["features"]
    for row in rows.to_pylist()[::2]:
        name = about["label"]["names"][row["label"]]
        if name in IMAGENET:
            images.append(row["image"]["bytes"])
            labels.append(IMAGENET[name])
    shown = torch.from_numpy(decode(images, Form(128, "crop", "bicubic"))).float() / 255
    file, accuracies = "mobilenetv2_100.tf_in1k.safetensors", []
    for arguments in ({"pad_type": "same"}, {}):
        settings = MOBILENET | {"arguments": arguments}
        fetch_weights({"file": file}, folder, tmp_path / file, settings)
        model = build(settings, 1000, 0, tmp_path / file, keep_head=True)
        with torch.no_grad():
            answers = torch.cat([model(batch).argmax(1) for batch in shown.split(32)])
        accuracies.append(float((answers == torch.tensor(labels)).float().mean()))
    assert len(labels) > 100
    assert accuracies[0] > 0.5
    assert accuracies[1] < accuracies[0] - 0.05
