"""A threat: an attack with its parameters, a norm and an epsilon."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from numbers import Real
from typing import Any

import jsonschema

from tradeoff import attacks
from tradeoff.attacks.balls import NORMS
from tradeoff.attacks.base import Attack
from tradeoff.errors import UserError
from tradeoff.params.epsilon import format_epsilon
from tradeoff.params.fields import from_mapping
from tradeoff.params.mistakes import first_mistake, shown


@dataclass(frozen=True)
class Threat:
    """attack: a registry name. norm: `linf` or `l2`. epsilon: radius on pixels in [0, 1].

    params: the attack's `Params`. UserError unless epsilon is finite and more than 0.
    """

    attack: str
    norm: str
    epsilon: float
    params: Any

    def __post_init__(self) -> None:
        if not isinstance(self.epsilon, Real) or not 0 < self.epsilon < math.inf:  # NaN is not
            raise UserError(
                "epsilon",
                shown(self.epsilon),
                "a finite number above 0",
                "such as 4 / 255 on pixels in [0, 1]",
            )

    def at(self, epsilon: float) -> "Threat":
        """Return the same threat with another epsilon."""
        return replace(self, epsilon=epsilon)

    def attempts(self, classes: int) -> list[Attack]:
        """Return the attacks to make, one after the other, on a model of `classes` classes."""
        made: list[Attack] = attacks.load(self.attack).attacks(self.params, self.norm, self.epsilon)
        for attack in made:
            if classes < attack.fewest_classes:
                has_loss = hasattr(self.params, "loss")
                raise UserError(
                    f"threat {self}",
                    f"a model of {classes} classes",
                    f"at least {attack.fewest_classes} for the loss dlr",
                    "use the loss ce" if has_loss else "use apgd with the loss ce, fab or square instead",
                )
        return made

    def __str__(self) -> str:
        return f"{self.attack} {self.norm} {format_epsilon(self.epsilon)}"


def threat(spec: Mapping[str, Any], epsilon: float) -> Threat:
    """Return the threat that a flat mapping states: `attack`, `norm` and any of the attack's parameters.

    spec: such as {"attack": "pgd", "norm": "linf", "steps": 15}; checked here against the attack's schema,
    UserError names the key.
    """
    values = dict(spec)
    name, norm = values.pop("attack", None), values.pop("norm", "linf")
    if name not in list(attacks.ATTACKS):
        raise UserError("attack", shown(name), f"one of {', '.join(attacks.ATTACKS)}")
    if norm not in NORMS:
        raise UserError("norm", shown(norm), f"one of {', '.join(NORMS)}")
    known = attacks.schema(name)["properties"]
    if unknown := sorted(set(values) - set(known)):
        raise UserError(unknown[0], f"a parameter that {name} does not have", f"one of {', '.join(known)}")
    if errors := list(_validator(name).iter_errors(values)):
        raise first_mistake(errors)
    for key, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):  # which a schema's limits let pass
            raise UserError(key, shown(value), "a finite number")
    return Threat(name, norm, epsilon, from_mapping(attacks.load(name).Params, values))


@cache
def _validator(name: str) -> Any:
    """What checks an attack's parameters. JSON takes 3.0 for a whole number; a count of steps has to be one."""
    plain = jsonschema.Draft202012Validator
    whole = plain.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return jsonschema.validators.extend(plain, type_checker=whole)(attacks.schema(name))
