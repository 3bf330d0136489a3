"""How fast a probe is, beside what others would use, with the robust accuracies that each finds.

    python -m benchmarks.probe --json probe.json [--parts hard,easy,even,fixed,peak,autoattack] [--images 256]
        [--repeats 3] [--device cpu] [--model vit_tiny32]

Measures PGD-15 (linf, any_iterate; the peers count the last iterate) at the epsilons where about 11% and 61%
of the images stay robust while 74% are classified correctly (hard, easy); a five-point epsilon sweep (even: evenly
spaced; fixed: 1/255 to 5/255); AutoAttack; and the share of the machine's matrix-product peak that forward and
backward reach on a ViT-B/16 at 224 pixels (peak).
The plain loop stands for torchattacks' PGD, which is no dependency: it pins old packages, and installs beside today's
with --no-deps only. The loop is the same algorithm, every step on every sample.
Contenders take turns, in an order that turns round from one repeat to the next, and each number is the median
of the repeats; ratios are medians of ratios within a turn. On the CPU seconds are processor time, with one
thread, so that what else runs disturbs them least. Wants the mirror's vit_tiny32 and cifar10
(TRADEOFF_MIRROR); without it, the model is a small convolutional net trained on scikit-learn's digits.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tradeoff.attacks.engine import Compute, attack, predict, sweep
from tradeoff.attacks.threat import threat

STEPS, STEP = 15, 0.25
CLEAN, ROBUST_SHARES = 0.74, (0.11, 0.61)
SPEC = {"attack": "pgd", "steps": STEPS, "relative_step": STEP}


class Normalised(nn.Module):
    """A net that normalises its input itself."""

    def __init__(self, net: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.net, self.mean, self.std = net, mean, std

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net((x - self.mean) / self.std)
        return logits


class _ContiguousGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].contiguous()


class ForPyautoattack(nn.Module):
    """A model as pyautoattack needs it: it stops at gradients with the strides that a ViT's patches give them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(_ContiguousGradient.apply(x))
        return logits


class Subject:
    """A model on its device, images (n, 3, H, W) uint8 and labels (n,).

    clean: the share of them classified correctly, by choice of the images; None takes them as they come.
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
    ) -> None:
        self.name, self.model, self.batch = name, model.eval(), batch
        rows = np.arange(min(n, len(labels)))
        if clean is not None:
            answers = predict(model, images, Compute(batch)).argmax(1).cpu().numpy()
            right, wrong = np.flatnonzero(answers == labels), np.flatnonzero(answers != labels)
            n = min(n, int(len(right) / clean), int(len(wrong) / (1 - clean)))
            rows = np.sort(np.concatenate([right[: round(clean * n)], wrong[: n - round(clean * n)]]))
        self.images, self.labels, self.ids = images[rows], labels[rows], np.arange(len(rows))
        self.device = next(model.parameters()).device

    def accuracy(self) -> float:
        """Return the share of the images that is classified correctly."""
        answers = predict(self.model, self.images, Compute(self.batch)).argmax(1).cpu().numpy()
        return float((answers == self.labels).mean())

    def epsilon_for(self, share: float) -> float:
        """Return the epsilon at which about `share` of the images stay robust, by bisection."""
        low, high = 0.0, 0.25
        for _ in range(9):
            middle = (low + high) / 2
            low, high = (middle, high) if self.ours(middle) > share else (low, middle)
        return (low + high) / 2

    def ours(self, epsilon: float, precision: str = "fp32") -> float:
        """Return the robust accuracy under our PGD."""
        result = attack(
            self.model,
            self.images,
            self.labels,
            self.ids,
            threat(SPEC, epsilon),
            seed=0,
            compute=Compute(self.batch, precision),
        )
        return float(1 - result.fooled.mean())

    def batches(self) -> list[tuple[Tensor, Tensor]]:
        x = torch.from_numpy(self.images).to(self.device).float() / 255
        y = torch.from_numpy(self.labels).to(self.device)
        return list(zip(x.split(self.batch), y.split(self.batch), strict=True))

    def plain(self, epsilon: float) -> float:
        """The algorithm of torchattacks' PGD and most papers' code: every sample, every step, then a last forward."""
        robust = 0
        for x, y in self.batches():
            found = (x + torch.empty_like(x).uniform_(-epsilon, epsilon)).clamp(0, 1).detach()
            for _ in range(STEPS):
                found.requires_grad_(True)
                loss = nn.functional.cross_entropy(self.model(found), y)
                (gradient,) = torch.autograd.grad(loss, found)
                found = found.detach() + STEP * epsilon * gradient.sign()
                found = (x + (found - x).clamp(-epsilon, epsilon)).clamp(0, 1).detach()
            with torch.no_grad():
                robust += int((self.model(found).argmax(1) == y).sum())
        return robust / len(self.labels)

    def foolbox(self, epsilon: float) -> float:
        import foolbox

        wrapped = foolbox.PyTorchModel(self.model, bounds=(0, 1), device=self.device)
        pgd = foolbox.attacks.LinfPGD(rel_stepsize=STEP, steps=STEPS, random_start=True)
        fooled = [pgd(wrapped, x, y, epsilons=epsilon)[2] for x, y in self.batches()]
        return float(1 - torch.cat(fooled).float().mean())


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Time probes beside their peers.")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    parser.add_argument("--model", default="vit_tiny32", choices=MODELS)
    parser.add_argument("--parts", default="hard,easy,even,fixed,peak", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    subject = MODELS[arguments.model](device, arguments.images, arguments.batch_size)
    report: dict[str, Any] = {
        "machine": {"processor": platform.processor(), "cores": os.cpu_count(), "threads": arguments.threads},
        "torch": torch.__version__,
        "device": str(device),
        "model": subject.name,
        "images": len(subject.labels),
        "clean_accuracy": subject.accuracy(),
    }
    for part in arguments.parts.split(","):
        report[part] = PARTS[part](subject, arguments.repeats)
        print(json.dumps({part: report[part]}, indent=2), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(report, indent=2) + "\n")


def pgd_at(subject: Subject, share: float, repeats: int) -> dict[str, Any]:
    epsilon = subject.epsilon_for(share)
    contenders = {
        "ours": lambda: subject.ours(epsilon),
        "ours bf16": lambda: subject.ours(epsilon, "bf16"),
        "plain loop": lambda: subject.plain(epsilon),
        "foolbox": lambda: subject.foolbox(epsilon),
    }
    return {"epsilon": epsilon} | race(contenders, repeats, subject.device)


def evenly(subject: Subject, repeats: int) -> dict[str, Any]:
    top = subject.epsilon_for(ROBUST_SHARES[0])
    return five_points(subject, [top * k / 5 for k in range(1, 6)], repeats)


def five_points(subject: Subject, epsilons: list[float], repeats: int) -> dict[str, Any]:
    """Five epsilons: our one sweep against the plain loop, and foolbox, run five times each."""

    def ours() -> list[float]:
        found = sweep(
            subject.model,
            subject.images,
            subject.labels,
            subject.ids,
            threat(SPEC, epsilons[-1]),
            epsilons,
            seed=0,
            compute=Compute(subject.batch),
        ).first_failure
        return [float((found > rank).mean()) for rank in range(1, 6)]

    contenders = {
        "ours": ours,
        "plain loop": lambda: [subject.plain(epsilon) for epsilon in epsilons],
        "foolbox": lambda: [subject.foolbox(epsilon) for epsilon in epsilons],
    }
    return {"epsilons": epsilons} | race(contenders, repeats, subject.device)


def autoattack(subject: Subject, repeats: int) -> dict[str, Any]:
    """AutoAttack (standard) at the epsilon that leaves 11% under PGD, against pyautoattack."""
    from pyautoattack import AutoAttack

    epsilon = subject.epsilon_for(ROBUST_SHARES[0])
    x = torch.from_numpy(subject.images).to(subject.device).float() / 255
    y = torch.from_numpy(subject.labels).to(subject.device)

    def theirs() -> float:
        evaluation = AutoAttack(ForPyautoattack(subject.model), eps=epsilon, seed=0, device=subject.device)
        found, _ = evaluation.run_standard_evaluation(x, y, batch_size=subject.batch)
        with torch.no_grad():
            return float((subject.model(found).argmax(1) == y).float().mean())

    def ours() -> float:
        spec = threat({"attack": "autoattack"}, epsilon)
        result = attack(
            subject.model,
            subject.images,
            subject.labels,
            subject.ids,
            spec,
            seed=0,
            compute=Compute(subject.batch),
        )
        return float(1 - result.fooled.mean())

    return {"epsilon": epsilon} | race({"ours": ours, "pyautoattack": theirs}, repeats, subject.device)


def race(contenders: dict[str, Callable[[], Any]], repeats: int, device: torch.device) -> dict[str, Any]:
    """Let everybody run in turn; return medians of seconds, of our speed-ups, and what each found."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    robust = {}
    for repeat in range(repeats):
        for name in list(contenders)[:: -1 if repeat % 2 else 1]:
            before = _clock(device)
            robust[name] = contenders[name]()
            seconds[name].append(_clock(device) - before)
    speedups = {
        name: statistics.median(theirs / ours for theirs, ours in zip(taken, seconds["ours"], strict=True))
        for name, taken in seconds.items()
        if name != "ours"
    }
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    return {"robust_accuracy": robust, "seconds": medians, "times_ours": speedups}


def share_of_peak(device: torch.device) -> dict[str, dict[str, float]]:
    """A ViT-B/16 at 224, forward alone and with the gradient of the images, against the best matrix product."""
    import timm

    model = timm.create_model("vit_base_patch16_224", num_classes=10).to(device).eval().requires_grad_(False)
    x = torch.rand(64 if device.type == "cuda" else 2, 3, 224, 224, device=device, requires_grad=True)
    found = {}
    for precision in ("fp32", "bf16"):
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        peak = _best_product(device, dtype)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            for name, step in {
                "forward": torch.no_grad()(lambda: model(x)),
                "forward and backward": lambda: torch.autograd.grad(
                    model(x.clone()).sum(), x
                ),  # the counter wants no leaf
            }.items():
                with FlopCounterMode(display=False) as counter:
                    step()
                flops, seconds = counter.get_total_flops(), _fastest(step, device)
                found[f"{precision}, {name}"] = {
                    "gflop_per_image": flops / len(x) / 1e9,
                    "images_per_second": len(x) / seconds,
                    "gflops": flops / seconds / 1e9,
                    "matmul_gflops": peak / 1e9,
                    "share": flops / seconds / peak,
                }
    return found


def _best_product(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    return 2 * n**3 / _fastest(lambda: a @ b, device)


def _fastest(run: Callable[[], Any], device: torch.device, times: int = 3) -> float:
    taken = []
    for _ in range(times):
        before = _clock(device)
        run()
        taken.append(_clock(device) - before)
    return min(taken)


def _clock(device: torch.device) -> float:
    """Seconds; on the CPU those of our threads, so that a machine which others use too disturbs them less."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def load_subject(device: torch.device, n: int, batch: int, clean: float | None = CLEAN) -> Subject:
    """Return the mirror's small ViT with a head fitted to cifar10; without the mirror a digits classifier."""
    if not (mirror() / "weights").is_dir():
        return small_digits(device, n, batch, small_convolutional(), clean=clean)
    import timm
    from safetensors.torch import load_file

    net = timm.models.VisionTransformer(
        img_size=32, patch_size=4, embed_dim=128, depth=6, num_heads=4, num_classes=200
    )
    net.load_state_dict(load_file(mirror() / "weights" / "vit_tiny32.tiny_imagenet32.safetensors"))
    net.head = nn.Identity()
    model, test = with_cifar10_head(net, "head", device, batch)
    return Subject("vit_tiny32, linear head on cifar10", model, *test, n, batch, clean)


def load_mobilenet(device: torch.device, n: int, batch: int) -> Subject:
    """Return the mirror's MobileNetV2 with a head fitted to cifar10, its images doubled to 64 pixels inside."""
    import timm
    from safetensors.torch import load_file

    net = timm.create_model("mobilenetv2_100", pad_type="same")
    net.load_state_dict(load_file(mirror() / "weights" / "mobilenetv2_100.tf_in1k.safetensors"))
    net.classifier = nn.Identity()
    doubled = nn.Sequential(nn.Upsample(scale_factor=2), net)
    model, test = with_cifar10_head(doubled, "1.classifier", device, batch)
    return Subject("mobilenetv2, linear head on cifar10", model, *test, n, batch, clean=None)


def load_vit_base(device: torch.device, n: int, batch: int) -> Subject:
    """Return a ViT-B/16 for 64 pixels with random weights and a head fitted to some of cifar10: for its size only."""
    import timm

    net = timm.create_model("vit_base_patch16_224", img_size=64)
    net.head = nn.Identity()
    doubled = nn.Sequential(nn.Upsample(scale_factor=2), net)
    model, test = with_cifar10_head(doubled, "1.head", device, batch, limit=400)
    return Subject("ViT-B/16 at 64 pixels, random weights", model, *test, n, batch)


def mirror() -> Path:
    return Path(os.environ.get("TRADEOFF_MIRROR", Path(__file__).parents[2] / "shared" / "mirror"))


def with_cifar10_head(
    net: nn.Module, head: str, device: torch.device, batch: int, limit: int = 4000
) -> tuple[nn.Module, tuple[np.ndarray, np.ndarray]]:
    """Return the net, whose module `head` is put aside, with a linear head on cifar10; and the test images."""
    model = Normalised(net, 0.5, 0.5).to(device).eval()
    train, test = (
        _read(mirror() / "datasets" / "cifar10" / f"{split}.parquet", limit) for split in ("train", "test")
    )
    features = predict(model, train[0], Compute(batch)).cpu()
    net.set_submodule(head, _ridge_head(features, torch.from_numpy(train[1])))
    return model.to(device), test


def _read(path: Path, rows: int) -> tuple[np.ndarray, np.ndarray]:
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


MODELS = {"vit_tiny32": load_subject, "vit_base": load_vit_base}
PARTS: dict[str, Callable[[Subject, int], dict[str, Any]]] = {
    "hard": lambda subject, repeats: pgd_at(subject, ROBUST_SHARES[0], repeats),
    "easy": lambda subject, repeats: pgd_at(subject, ROBUST_SHARES[1], repeats),
    "even": evenly,
    "fixed": lambda subject, repeats: five_points(subject, [k / 255 for k in range(1, 6)], repeats),
    "autoattack": autoattack,
    "peak": lambda subject, repeats: share_of_peak(subject.device),
}


if __name__ == "__main__":
    main()
