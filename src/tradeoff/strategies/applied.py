"""Applying a strategy to a model, and what training has to know of it afterwards."""

from dataclasses import dataclass, field

from torch import nn

from tradeoff import class_token
from tradeoff.backbones import Classifier, batch_norms, head_names, seeded, statistics_names
from tradeoff.strategies.base import Strategy


@dataclass
class Applied:
    """A strategy on a model.

    frozen_features: what the classifier sees never changes, so it may be computed once.
    """

    name: str
    strategy: Strategy
    frozen_features: bool
    backbone_trains: bool = True
    normalisers: list[nn.Module] = field(default_factory=list)

    def at_step(self, model: Classifier, step: int, total: int) -> None:
        """Prepare the model for the 0-based update `step` of `total`: a function of the step alone."""
        trains = self.strategy.backbone_trains(step, total)
        if trains != self.backbone_trains:
            self.backbone_trains = trains
            _let_train(model, model.trained if trains else head_names(model.net))

    def train_mode(self, model: Classifier) -> None:
        """Put the model in train mode, but BatchNorm in eval mode where its statistics are frozen."""
        updates = self.strategy.updates_statistics and self.backbone_trains
        if not model.training or any(layer.training != updates for layer in self.normalisers):
            model.train()
            for layer in self.normalisers:
                layer.train(updates)


def apply(model: Classifier, name: str, strategy: Strategy, seed: int) -> Applied:
    """Insert what the strategy adds, drawn from `seed`, and let exactly its parameters and the head train."""
    class_token.shorten(model.net)
    with seeded(seed):
        chosen = set(strategy.insert(model.net))
    head = set(head_names(model.net))
    model.trained = tuple(name for name, _ in model.net.named_parameters() if name in chosen | head)
    model.moving = statistics_names(model.net) if strategy.updates_statistics else ()
    _let_train(model, model.trained)
    model.eval()
    frozen = chosen <= head and not model.moving and not _is_random(model.net)
    return Applied(name, strategy, frozen, normalisers=batch_norms(model.net))


def _let_train(model: Classifier, names: tuple[str, ...]) -> None:
    chosen = set(names)
    for name, parameter in model.net.named_parameters():
        parameter.requires_grad_(name in chosen)


def _is_random(net: nn.Module) -> bool:
    """Whether the network drops anything at random in train mode."""
    rates = (getattr(module, "p", getattr(module, "drop_prob", 0.0)) for module in net.modules())
    return any(isinstance(rate, float) and rate > 0 for rate in rates) or bool(getattr(net, "drop_rate", 0))
