"""Backbones: timm models with a new head that take pixels in [0, 1], and where their weights come from."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from tradeoff.checkpoints import State, translate
from tradeoff.data.registry import mirrored_weights, read_manifest
from tradeoff.errors import UserError
from tradeoff.families import FAMILIES, family_of
from tradeoff.files import sha256_of, whole_file

# Arguments of timm.create_model that are ours to give, or that would load weights behind our back.
RESERVED = {
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
    "cache_dir",
    "num_classes",
    "in_chans",
    "scriptable",
    "exportable",
}


class Classifier(nn.Module):
    """A timm model with its classifier, taking images (B, 3, H, W) in [0, 1] to logits (B, N).

    net: the timm model; names of parameters are its own everywhere, without a prefix.
    mean, std: buffers (1, 3, 1, 1) of the normalisation inside.
    model: its timm name, without the weights' tag.
    trained: names of the parameters that fine-tuning moves; moving: names of the buffers that it moves, the
    running statistics of BatchNorm. Everything until a strategy is applied.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, model: str, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.net = net
        self.model = model
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1))
        self.trained = tuple(name for name, _ in net.named_parameters())
        self.moving = statistics_names(net)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net((images - self.mean) / self.std)
        return logits

    def features(self, images: Tensor) -> Tensor:
        """Return what the classifier sees, (B, D): `classify_features(features(x))` is `forward(x)`."""
        net: Any = self.net
        maps = net.forward_features((images - self.mean) / self.std)
        features: Tensor = net.forward_head(maps, pre_logits=True)
        return features

    def classify_features(self, features: Tensor) -> Tensor:
        """Return the logits (B, N) of features (B, D)."""
        logits: Tensor = cast(Any, self.net).get_classifier()(features)
        return logits


def build(
    spec: dict[str, Any], classes: int, seed: int, weights: Path | None, *, keep_head: bool = False
) -> Classifier:
    """Return a backbone with a classifier for `classes` classes, on the CPU, in eval mode.

    spec: {model, arguments, mean, std, image_size, ...}, the backbone's section of params.
    weights: a safetensors or torch file with timm's names; everything but the classifier has to match. The
    classifier is timm's default initialisation, drawn from `seed`, unless `keep_head`. None: all is drawn.
    UserError for an unknown model, arguments it does not take, or weights that are not its own.
    """
    net = _create(spec, classes, seed)
    if weights is not None:
        _load_weights(net, weights, keep_head=keep_head, model=spec["model"])
    return Classifier(net, spec["model"].partition(".")[0], spec["mean"], spec["std"]).eval()


def head_names(net: nn.Module) -> tuple[str, ...]:
    """Return the names of the classifier's parameters."""
    classifier = cast(Any, net).get_classifier()
    own = {id(parameter) for parameter in classifier.parameters()}
    return tuple(name for name, parameter in net.named_parameters() if id(parameter) in own)


def batch_norms(net: nn.Module) -> list[nn.Module]:
    """Return the layers that keep running statistics of their batches."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    return [module for module in net.modules() if isinstance(module, kinds)]


def statistics_names(net: nn.Module) -> tuple[str, ...]:
    """Return the names of BatchNorm's buffers: running mean, running variance, number of batches."""
    own = {id(buffer) for layer in batch_norms(net) for buffer in layer.buffers()}
    return tuple(name for name, buffer in net.named_buffers() if id(buffer) in own)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a stream of `seed` inside the block, and leave the global one as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


# --- creating


def _create(spec: dict[str, Any], classes: int, seed: int) -> nn.Module:
    import timm

    model, arguments = spec["model"], spec.get("arguments") or {}
    where = f"backbones: {model}"
    family = family_of(model)
    if reserved := sorted(RESERVED & arguments.keys()):
        raise UserError(f"{where}.arguments", reserved[0], "an argument of the architecture", "remove it")
    # ASSUME: no stochastic depth unless arguments ask for it; timm's Swin has a rate of 0.1 by default.
    arguments = {"drop_path_rate": 0.0} | arguments
    try:
        with seeded(seed):
            net: nn.Module = timm.create_model(model, pretrained=False, num_classes=classes, **arguments)
    except Exception as error:  # timm raises whatever its constructors do
        raise UserError(
            where, f"arguments {arguments} that timm refuses ({error})", "a timm model and arguments it takes"
        ) from None
    _, kinds, example = FAMILIES[family]
    if type(net).__name__ not in kinds:
        raise UserError(where, f"a {type(net).__name__}", f"a {' or '.join(kinds)}, such as {example}")
    _check_size(net, spec, where)
    return net


def _check_size(net: nn.Module, spec: dict[str, Any], where: str) -> None:
    """A transformer is built for one size of images: it has to be the one they are resized to."""
    size = getattr(getattr(net, "patch_embed", None), "img_size", None)
    asked = spec.get("image_size")
    if size is not None and asked is not None and tuple(size) != (asked, asked):
        raise UserError(
            f"{where}.image_size",
            str(asked),
            f"{size[0]}, the size it is built for",
            "or set arguments.img_size",
        )


# --- loading


def _load_weights(net: nn.Module, weights: Path, *, keep_head: bool, model: str) -> None:
    state = translate(net, read_state(weights)).state
    head = () if keep_head else head_names(net)
    state = {name: tensor for name, tensor in state.items() if name not in head}
    _check_fits(net, state, head, f"backbones: weights of {model} in {weights}")
    net.load_state_dict(state, strict=False)


def _check_fits(net: nn.Module, state: State, head: tuple[str, ...], where: str) -> None:
    """UserError unless a state is exactly what `net` needs besides the parameters of its head."""
    own = net.state_dict()
    # Files older than the counter of batches lack it; it does nothing at a fixed momentum.
    missing = [n for n in own if n not in state and n not in head and not n.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in own]
    shapes = [
        f"{name} {tuple(tensor.shape)} instead of {tuple(own[name].shape)}"
        for name, tensor in state.items()
        if name in own and tensor.shape != own[name].shape
    ]
    wrong = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if names
    ]
    if wrong:
        raise UserError(
            where,
            "tensors " + ", ".join(wrong),
            "exactly the backbone's own, whatever the classifier",
            "check model and arguments against the file",
        )


def read_state(path: Path) -> State:
    """Return the tensors of a safetensors file, or of a torch file that holds nothing but tensors.

    UserError when it is missing, broken, or would have to run code.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise UserError(f"weights {path}", "no such file", "a safetensors file", "check the name")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise UserError(
            f"weights {path}", f"a broken file ({error})", "a whole safetensors file", "fetch it again"
        ) from None
    except Exception as error:  # torch.load: pickle, zip or end-of-file errors of any kind
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"weights {path}",
            f"a file that cannot be read safely ({first})",
            "safetensors, or tensors alone",
            "ask for such a file where it comes from, or convert it on a machine that may run its code",
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"weights {path}", "something else than named tensors", "a state dict")
    return content


# --- fetching


def fetch_weights(
    weights: dict[str, Any], mirror: Path | None, output: Path, spec: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Write the weights that params ask for to `output`, as safetensors, and say where they came from.

    weights: {file: name or path} or {hub: repository, revision: commit, filename: model.safetensors}, each
    with an optional sha256. mirror: a folder whose `weights/` has them; with it nothing touches the network.
    spec: the backbone's section; with it names become timm's, and weights of another architecture are refused.
    Returns {source, revision, source_sha256} and, with `spec`, names: how they were translated.
    UserError when they cannot be had as asked.
    """
    if "file" in weights:
        file = _local(weights["file"], mirror)
        about: dict[str, Any] = {"source": weights["file"]}
    elif mirror is not None:
        name = mirrored_weights(weights)
        file, about = _local(name, mirror), {"source": f"mirror: {name}"}
    else:
        file = _download(weights["hub"], weights["revision"], weights.get("filename", "model.safetensors"))
        about = {"source": weights["hub"], "revision": weights["revision"]}
    found = sha256_of(file)
    known = _known(file, mirror)
    if known.get("sha256", found) != found:
        raise UserError(f"weights {file}", f"sha256 {found}", known["sha256"], "copy it again")
    for key, at_source in (
        ("sha256", known.get("source_sha256", found)),
        ("revision", known.get("revision")),
    ):
        if at_source is not None and weights.get(key) not in (None, at_source):
            raise UserError(
                f"backbones: weights.{key}",
                f"{at_source} for {about['source']}",
                weights[key],
                "the file is another one, or broken: fetch it again, or correct the params",
            )
    state = read_state(file)  # says so now when the file is broken
    as_it_is = file.suffix == ".safetensors"
    if spec is not None:
        net = _create(spec, 2, 0)
        translation = translate(net, state)
        as_it_is = as_it_is and translation.state.keys() == state.keys()
        state = translation.state
        body = {name: tensor for name, tensor in state.items() if name not in head_names(net)}
        _check_fits(net, body, head_names(net), f"backbones: weights of {spec['model']} in {file}")
        about["names"] = translation.report()
    with whole_file(output) as temporary:
        if as_it_is:
            shutil.copyfile(file, temporary)
        else:
            _write(state, temporary)
    return about | {"source_sha256": found}


def _known(file: Path, mirror: Path | None) -> dict[str, Any]:
    """What a mirror's manifest says of a file in it; nothing of others."""
    if mirror is None or not file.is_relative_to(mirror):
        return {}
    return read_manifest(mirror).get(file.relative_to(mirror).as_posix(), {})


def _local(name: str, mirror: Path | None) -> Path:
    places = [Path(name)] if mirror is None else [mirror / "weights" / name, Path(name)]
    for place in places:
        if place.is_file():
            return place
    raise UserError(
        f"backbones: weights {name}",
        "no such file at " + " or ".join(map(str, places)),
        "the file there",
        "" if mirror else "or name a mirror (data.mirror, or TRADEOFF_MIRROR)",
    )


def _download(repository: str, revision: str | None, filename: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    where = f"backbones: weights of {repository}"
    if revision is None:
        raise UserError(
            f"{where}, revision",
            "none",
            "the commit to download, 40 hexadecimal digits",
            f"see https://huggingface.co/{repository}/commits/main",
        )
    try:
        return Path(hf_hub_download(repository, filename, revision=revision))
    except RevisionNotFoundError:
        raise UserError(
            f"{where}, revision",
            f"no commit {revision}",
            "a commit of this repository",
            f"see https://huggingface.co/{repository}/commits/main",
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            where, "no such public repository", "a repository of the hub", "check weights.hub"
        ) from None
    except Exception as error:  # whatever the hub's client meets on its way: network, disk, certificates
        if isinstance(error, EntryNotFoundError) and getattr(error, "response", None) is not None:
            raise UserError(
                f"{where}, filename", f"no file {filename}", "a file of that commit", "check weights.filename"
            ) from None
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            where, f"no download ({first})", "a connection to the hub", "or a mirror folder (TRADEOFF_MIRROR)"
        ) from None


def _write(state: State, path: Path) -> None:
    from safetensors.torch import save_file

    # Tensors that share memory in a torch file get their own.
    save_file({name: tensor.clone().contiguous() for name, tensor in state.items()}, path)
