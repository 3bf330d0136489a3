"""What attacks climb. Each takes logits (B, N), labels (B,) and target classes (B,), and returns (B,)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
_TINY = 1e-12


def ce(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the true label."""
    return functional.cross_entropy(logits, labels, reduction="none")


def ce_targeted(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Minus the cross-entropy of the target class."""
    return -functional.cross_entropy(logits, targets, reduction="none")


def margin_targeted(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The target's logit minus the label's: positive where the target wins against the label."""
    return _pick(logits, targets) - _pick(logits, labels)


def dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Difference of logits ratio (Croce and Hein, ICML 2020, eq. 6): invariant to the logits' scale. N >= 3.

    Minus (label's logit − best other) / (first − third of the sorted logits).
    """
    top = logits.topk(3, dim=1)
    # The rank, not the value, says which is the best other: with tied logits the label may stand second.
    label_first = top.indices[:, 0] == labels
    other = top.values[:, 1].where(label_first, top.values[:, 0])
    return -(_pick(logits, labels) - other) / (top.values[:, 0] - top.values[:, 2] + _TINY)


def dlr_targeted(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Targeted difference of logits ratio (the same paper, eq. 7). N >= 4."""
    first, _, third, fourth = logits.topk(4, dim=1).values.unbind(1)
    scale = first - 0.5 * (third + fourth) + _TINY
    return margin_targeted(logits, labels, targets) / scale


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the label's logit minus the largest other, (B,): positive where the answer is right."""
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return _pick(logits, labels) - others


LOSSES: dict[str, Loss] = {"ce": ce, "dlr": dlr}
TARGETED: dict[str, Loss] = {"ce": ce_targeted, "dlr": dlr_targeted}
# The least number of classes a loss is defined for.
FEWEST_CLASSES: dict[Loss, int] = {ce: 2, ce_targeted: 2, margin_targeted: 2, dlr: 3, dlr_targeted: 4}


def _pick(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.gather(1, classes[:, None])[:, 0]
