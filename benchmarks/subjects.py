"""Models and images for benchmarks of attacks."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tradeoff.attacks.engine import attack, predict
from tradeoff.attacks.oracle import Compute
from tradeoff.attacks.threat import threat

STEPS, STEP = 15, 0.25
PGD = {"attack": "pgd", "steps": STEPS, "relative_step": STEP}
CLEAN = 0.74
Split = tuple[np.ndarray, np.ndarray]


class Subject:
    """A model on its device, images (n, 3, H, W) uint8 and labels (n,).

    clean: the share of them classified correctly, by choice of the images; None takes them as they come. double: a
    cheaper subject of the same images and answers, to look for epsilons on.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        images: np.ndarray,
        labels: np.ndarray,
        n: int,
        batch: int,
        clean: float | None = CLEAN,
        double: "Subject | None" = None,
    ) -> None:
        self.name, self.model, self.batch, self.double = name, model.eval(), batch, double
        rows = np.arange(min(n, len(labels)))
        if clean is not None:
            answers = predict(model, images, Compute(batch)).argmax(1).cpu().numpy()
            right, wrong = np.flatnonzero(answers == labels), np.flatnonzero(answers != labels)
            n = min(n, int(len(right) / clean), int(len(wrong) / (1 - clean)))
            rows = np.sort(np.concatenate([right[: round(clean * n)], wrong[: n - round(clean * n)]]))
        self.images, self.labels, self.ids = images[rows], labels[rows], np.arange(len(rows))
        self.device = next(model.parameters()).device
        self._robust: dict[float, float] = {}

    def accuracy(self) -> float:
        """Return the share of the images that is classified correctly."""
        answers = predict(self.model, self.images, Compute(self.batch)).argmax(1).cpu().numpy()
        return float((answers == self.labels).mean())

    def epsilon_for(self, share: float, tolerance: float = -1) -> float:
        """Return the epsilon at which `share` of the images stay robust, bisected to within the tolerance."""
        if self.double:
            return self.double.epsilon_for(share, tolerance)
        low, high = 0.0, 0.25
        for _ in range(9):
            middle = (low + high) / 2
            if middle not in self._robust:
                self._robust[middle] = self.ours(middle)
            if abs(self._robust[middle] - share) <= tolerance:
                return middle
            low, high = (middle, high) if self._robust[middle] > share else (low, middle)
        return (low + high) / 2

    def ours(self, epsilon: float, precision: str = "fp32") -> float:
        """Return the robust accuracy under our PGD."""
        result = attack(
            self.model,
            self.images,
            self.labels,
            self.ids,
            threat(PGD, epsilon),
            seed=0,
            compute=Compute(self.batch, precision),
        )
        return float(1 - result.fooled.mean())

    def batches(self) -> list[tuple[Tensor, Tensor]]:
        x = torch.from_numpy(self.images).to(next(self.model.parameters())) / 255
        y = torch.from_numpy(self.labels).to(self.device)
        return list(zip(x.split(self.batch), y.split(self.batch), strict=True))


class Normalised(nn.Module):
    """A net that normalises its input itself."""

    def __init__(self, net: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.net, self.mean, self.std = net, mean, std

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net((x - self.mean) / self.std)
        return logits


def load_subject(device: torch.device, n: int, batch: int, clean: float | None = CLEAN) -> Subject:
    """Return the mirror's small ViT with a head fitted to cifar10; without the mirror a digits classifier."""
    if not (mirror() / "weights").is_dir():
        return small_digits(device, n, batch, small_convolutional(), clean=clean)
    model, _, test = with_cifar10_head(_vit_tiny32(), "head", device, batch)
    return Subject("vit_tiny32, linear head on cifar10", model, *test, n, batch, clean)


def _vit_tiny32() -> nn.Module:
    """The mirror's small ViT, its head put aside."""
    import timm
    from safetensors.torch import load_file

    net = timm.models.VisionTransformer(
        img_size=32, patch_size=4, embed_dim=128, depth=6, num_heads=4, num_classes=200
    )
    net.load_state_dict(load_file(mirror() / "weights" / "vit_tiny32.tiny_imagenet32.safetensors"))
    net.head = nn.Identity()
    return net


def load_mobilenet(device: torch.device, n: int, batch: int) -> Subject:
    """Return the mirror's MobileNetV2 with a head fitted to cifar10, its images doubled to 64 pixels inside."""
    import timm
    from safetensors.torch import load_file

    net = timm.create_model("mobilenetv2_100", pad_type="same")
    net.load_state_dict(load_file(mirror() / "weights" / "mobilenetv2_100.tf_in1k.safetensors"))
    net.classifier = nn.Identity()
    doubled = nn.Sequential(nn.Upsample(scale_factor=2), net)
    model, _, test = with_cifar10_head(doubled, "1.classifier", device, batch)
    return Subject("mobilenetv2, linear head on cifar10", model, *test, n, batch, clean=None)


def load_vit_base(device: torch.device, n: int, batch: int) -> Subject:
    """Return a ViT of ViT-B's size, 12 blocks of 768 channels, that answers as the mirror's small one does.

    So attacks take as many steps on it as on a trained model, which they would not on one with random weights.
    """
    small = load_subject(device, n, batch)
    wide = widened(small.model.net, 768 // 128, 12).to(device)
    model = Normalised(wide, 0.5, 0.5).eval()
    answers = [predict(net, small.images[:8], Compute(batch)) for net in (model, small.model)]
    assert torch.allclose(*answers, atol=1e-3)
    name = "ViT-B's size, vit_tiny32's answers"
    return Subject(name, model, small.images, small.labels, n, batch, clean=None, double=small)


def widened(net: nn.Module, times: int, depth: int) -> nn.Module:
    """Return a timm ViT that is `times` as wide and `depth` deep and whose logits are those of net.

    As Chen et al., Net2Net (ICLR 2016), widen and deepen: channels and heads are copied and what reads them divided;
    added blocks add nothing.
    """
    import timm

    heads, dim = net.blocks[0].attn.num_heads, net.embed_dim
    wide = timm.models.VisionTransformer(
        img_size=32, patch_size=4, embed_dim=dim * times, depth=depth, num_heads=heads * times
    )
    wide.head = nn.Linear(dim * times, net.head.out_features)
    state = {name: torch.zeros_like(value) for name, value in wide.state_dict().items()}
    every = depth // len(net.blocks)
    for name, value in net.state_dict().items():
        target = name
        if name.startswith("blocks."):
            _, block, rest = name.split(".", 2)
            target = f"blocks.{int(block) * every}.{rest}"
        elif name in ("cls_token", "pos_embed"):
            state[target] = value.repeat(1, 1, times)
            continue
        if value.ndim == 2:  # reads channels
            by_head = value.reshape(len(value), heads, -1) if ".proj." in name else value[:, None]
            copies = by_head.repeat_interleave(times, 1) if ".proj." in name else by_head.repeat(1, 1, times)
            value = copies.reshape(len(value), -1) / times
        if ".qkv." in name:
            value = value.reshape(3, heads, dim // heads, *value.shape[1:]).repeat_interleave(times, 1)
            state[target] = value.flatten(0, 2)
        elif name.startswith("head."):
            state[target] = value
        else:
            state[target] = value.repeat(times, *[1] * (value.ndim - 1))
    wide.load_state_dict(state)
    return wide


def mirror() -> Path:
    return Path(os.environ.get("TRADEOFF_MIRROR", Path(__file__).parents[2] / "shared" / "mirror"))


def with_cifar10_head(
    net: nn.Module, head: str, device: torch.device, batch: int, limit: int = 4000
) -> tuple[nn.Module, Split, Split]:
    """Return the net, whose module `head` is put aside, with a linear head on cifar10; training and test images."""
    model = Normalised(net, 0.5, 0.5).to(device).eval()
    train, test = (
        _read(mirror() / "datasets" / "cifar10" / f"{split}.parquet", limit) for split in ("train", "test")
    )
    features = predict(model, train[0], Compute(batch)).cpu()
    net.set_submodule(head, _ridge_head(features, torch.from_numpy(train[1])))
    return model.to(device), train, test


def _read(path: Path, rows: int) -> Split:
    from datasets import load_dataset

    table = load_dataset("parquet", data_files=str(path), split="train", cache_dir=None).select(
        range(min(rows, 2000 if path.stem == "test" else rows))
    )
    images = np.stack([np.asarray(row.convert("RGB")).transpose(2, 0, 1) for row in table["image"]])
    return images, np.array(table["label"], dtype=np.int64)


def _ridge_head(features: Tensor, labels: Tensor) -> nn.Linear:
    """A linear classifier by ridge regression on one-hot labels, its scores stretched to be confident."""
    x = torch.cat([features, torch.ones(len(features), 1)], dim=1).double()
    wanted = nn.functional.one_hot(labels).double()
    weights = torch.linalg.solve(x.T @ x + 10 * torch.eye(x.shape[1]), x.T @ wanted).float() * 10
    head = nn.Linear(features.shape[1], wanted.shape[1])
    with torch.no_grad():
        head.weight.copy_(weights[:-1].T)
        head.bias.copy_(weights[-1])
    return head


def small_convolutional(width: int = 32) -> nn.Module:
    """Return an untrained net for digits at 32 pixels."""
    return nn.Sequential(
        nn.Conv2d(3, width, 4, 4),
        nn.GELU(),
        nn.Conv2d(width, 64, 3),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(64 * 36, 10),
    )


def small_digits(
    device: torch.device,
    n: int,
    batch: int,
    net: nn.Module,
    epochs: int = 2,
    clean: float | None = CLEAN,
) -> Subject:
    """Return a net trained here in seconds on half of scikit-learn's digits, enlarged to 32 pixels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = (
        np.repeat((data.images * 255 / 16).astype(np.uint8)[:, None], 3, axis=1).repeat(4, 2).repeat(4, 3)
    )
    labels = data.target.astype(np.int64)
    model = Normalised(net, 0.5, 0.5).to(device)
    x = torch.from_numpy(images[:1000]).to(device).float() / 255
    y = torch.from_numpy(labels[:1000]).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    # Few steps: some errors have to be left for a clean accuracy of 74%.
    for rows in torch.randperm(1000).split(50) * epochs:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    return Subject(f"{type(net).__name__} on digits", model, images[1000:], labels[1000:], n, batch, clean)
