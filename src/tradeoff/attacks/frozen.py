"""The model as attacks see it: in eval mode, its weights held fixed."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients of weights inside the block; everything as before after it."""
    modes = [(module, module.training) for module in model.modules()]
    wanted = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        model.eval()
        for weight in wanted:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in wanted:
            weight.requires_grad_(True)
        for module, mode in modes:
            module.training = mode
