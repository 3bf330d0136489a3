"""What our attacks are timed against and compared with: a plain loop, foolbox, torchattacks and pyautoattack.

The plain loop does what torchattacks' PGD does, every step on every sample. torchattacks itself is no dependency: it
pins old packages. `pip install --no-deps --target elsewhere torchattacks` puts it where PYTHONPATH can name it.
"""

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.subjects import STEP, STEPS, Subject


def plain_loop(subject: Subject, epsilon: float, precision: str = "fp32") -> float:
    """Return the robust accuracy under torchattacks' PGD: every sample, every step, then a last forward."""
    robust = 0
    for x, y in subject.batches():
        with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bf16"):
            found = (x + torch.empty_like(x).uniform_(-epsilon, epsilon)).clamp(0, 1).detach()
            for _ in range(STEPS):
                found.requires_grad_(True)
                loss = nn.functional.cross_entropy(subject.model(found), y)
                (gradient,) = torch.autograd.grad(loss, found)
                found = found.detach() + STEP * epsilon * gradient.sign()
                found = (x + (found - x).clamp(-epsilon, epsilon)).clamp(0, 1).detach()
        with torch.no_grad():
            robust += int((subject.model(found).argmax(1) == y).sum())
    return robust / len(subject.labels)


def foolbox_pgd(subject: Subject, epsilons: list[float]) -> list[float]:
    """Return the robust accuracies under foolbox's PGD at each epsilon, of one call."""
    import foolbox

    wrapped = foolbox.PyTorchModel(subject.model, bounds=(0, 1), device=subject.device)
    pgd = foolbox.attacks.LinfPGD(rel_stepsize=STEP, steps=STEPS, random_start=True)
    fooled = torch.cat([pgd(wrapped, x, y, epsilons=epsilons)[2] for x, y in subject.batches()], dim=1)
    return [float(share) for share in 1 - fooled.float().mean(1)]


def torchattacks_pgd(subject: Subject, epsilon: float) -> float:
    """Return the robust accuracy under torchattacks' PGD, where it is installed."""
    import torchattacks

    pgd = torchattacks.PGD(subject.model, eps=epsilon, alpha=STEP * epsilon, steps=STEPS, random_start=True)
    robust = 0
    for x, y in subject.batches():
        found = pgd(x, y)
        with torch.no_grad():
            robust += int((subject.model(found).argmax(1) == y).sum())
    return robust / len(subject.labels)


def pyautoattack(subject: Subject, epsilon: float) -> float:
    """Return the robust accuracy under pyautoattack's AutoAttack, standard version."""
    from pyautoattack import AutoAttack

    x, y = (torch.cat(parts) for parts in zip(*subject.batches(), strict=True))
    evaluation = AutoAttack(ForPyautoattack(subject.model), eps=epsilon, seed=0, device=subject.device)
    found, _ = evaluation.run_standard_evaluation(x, y, batch_size=subject.batch)
    with torch.no_grad():
        return float((subject.model(found).argmax(1) == y).float().mean())


class ForPyautoattack(nn.Module):
    """A model as pyautoattack needs it: it stops at gradients with the strides that a ViT's patches give them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(_ContiguousGradient.apply(x))
        return logits


class _ContiguousGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].contiguous()
