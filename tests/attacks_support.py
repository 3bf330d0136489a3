"""Small trained classifiers and their images, for tests of attacks and probes."""

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn


class Small(nn.Module):
    """A convolutional classifier with normalisation inside, batch norm and dropout: modes matter to it."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.3))
        self.register_buffer("std", torch.full((1, 3, 1, 1), 0.4))
        self.net = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, stride=2),
            nn.GELU(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(width * 16, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net((x - self.mean) / self.std)
        return logits


@cache
def digits(n: int = 1797) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images (n, 3, 8, 8) uint8, labels and ids (n,) int64."""
    data = load_digits()
    grey = (data.images[:n] * 255 / 16).astype(np.uint8)
    images = np.repeat(grey[:, None], 3, axis=1)
    return images, data.target[:n].astype(np.int64), np.arange(n, dtype=np.int64)


@cache
def trained(seed: int = 0, width: int = 16) -> Small:
    """Return a `Small` trained for a few seconds on the first 1,000 digits."""
    images, labels, _ = digits()
    x, y = torch.from_numpy(images[:1000]).float() / 255, torch.from_numpy(labels[:1000])
    torch.manual_seed(seed)
    model = Small(width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(8):
        for rows in torch.randperm(len(x)).split(100):
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


def held_out(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return n digits that no model was trained on."""
    images, labels, ids = digits()
    return images[1000 : 1000 + n], labels[1000 : 1000 + n], ids[1000 : 1000 + n]


def as_floats(images: np.ndarray, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.from_numpy(images).to(dtype) / 255


def foolbox_pgd(
    model: nn.Module,
    x: Tensor,
    labels: Tensor,
    start: Tensor,
    norm: str,
    epsilon: float,
    step: float,
    steps: int,
) -> Tensor:
    """Return foolbox's last PGD iterate from a given start."""
    import foolbox

    base = foolbox.attacks.LinfPGD if norm == "linf" else foolbox.attacks.L2PGD

    class FromStart(base):  # type: ignore[misc, valid-type]
        def get_random_start(self, x0, epsilon):  # type: ignore[no-untyped-def]
            return type(x0)(start)

    attack = FromStart(abs_stepsize=step, steps=steps, random_start=True)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    found: Tensor = attack.run(wrapped, x, foolbox.criteria.Misclassification(labels), epsilon=epsilon)
    return found
