"""What cannot be attacked with or searched for is refused in one line that names the key."""

import numpy as np
import pytest
import torch
from attacks_support import Small, held_out, trained

from tradeoff import attacks
from tradeoff.attacks.engine import attack, sweep
from tradeoff.attacks.oracle import Compute
from tradeoff.attacks.threat import threat
from tradeoff.errors import UserError

PGD = {"attack": "pgd"}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "attack: found nothing; expected one of fgsm, pgd"),
        ({"attack": ["pgd"]}, r"attack: found \['pgd'\]"),
        (PGD | {"norm": ["l2"]}, r"norm: found \['l2'\]"),
        (PGD | {"steps": 0}, "steps: found 0; expected a whole number at least 1"),
        (PGD | {"steps": 10.0}, "steps: found 10.0; expected a whole number"),
        (PGD | {"criterion": "foo"}, "criterion: found 'foo'; expected one of any_iterate, final_iterate"),
        (PGD | {"relative_step": float("nan")}, "relative_step: found nan; expected a finite number"),
        (PGD | {"step_size": float("inf")}, "step_size: found inf; expected a finite number"),
        ({"attack": "square", "share": 0}, "share: found 0; expected a number at most 1 and more than 0"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(spec, words):
    with pytest.raises(UserError, match=words):
        threat(spec, 0.1)


@pytest.mark.parametrize("epsilon", [0, -0.1, float("nan"), float("inf"), "8/255", None])
def test_an_epsilon_that_is_no_radius_is_refused(epsilon):
    with pytest.raises(UserError, match=r"epsilon: found .* expected a finite number above 0"):
        threat(PGD, epsilon)
    with pytest.raises(UserError, match="epsilon"):
        threat(PGD, 0.1).at(epsilon)


def test_any_kind_of_real_number_is_an_epsilon():
    assert [threat(PGD, epsilon).epsilon for epsilon in (1, np.float32(0.5), np.float64(0.5))] == [
        1,
        0.5,
        0.5,
    ]


def test_no_images_are_refused():
    images, labels, ids = (values[:0] for values in held_out(2))
    with pytest.raises(UserError, match="images: found none; expected at least one"):
        attack(trained(), images, labels, ids, threat(PGD, 0.1), 0)
    with pytest.raises(UserError, match="images: found none; expected at least one"):
        sweep(trained(), images, labels, ids, threat(PGD, 0.1), [0.1], 0)


def test_a_precision_that_the_model_cannot_have_is_refused():
    images, labels, ids = held_out(4)
    double = Small().double()
    with pytest.raises(UserError, match="precision: found bf16 for a model in float64"):
        attack(double, images, labels, ids, threat(PGD, 0.1), 0, Compute(precision="bf16"))
    with pytest.raises(UserError, match="precision: found 'fp8'; expected one of fp32, bf16"):
        attack(trained(), images, labels, ids, threat(PGD, 0.1), 0, Compute(precision="fp8"))


@pytest.mark.parametrize("name", list(attacks.ATTACKS))
def test_no_attack_takes_more_turns_than_can_be_written_down(name):
    limits = attacks.schema(name)["properties"]
    longest = {key: limits[key]["maximum"] for key in ("steps", "queries") if key in limits}
    for made in threat({"attack": name} | longest, 0.1).attempts(10):
        assert made.evaluations - 1 <= torch.iinfo(torch.int16).max
    for key, most in longest.items():
        with pytest.raises(UserError, match=f"{key}: found {most + 1}; expected .* at most {most}"):
            threat({"attack": name, key: most + 1}, 0.1)
