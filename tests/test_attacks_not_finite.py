"""What is not a number fools nobody: models whose answers or gradients overflow, and how they are counted."""

import numpy as np
import pytest
import torch
from attacks_support import as_floats, held_out, trained

from tradeoff.attacks.engine import attack, sweep
from tradeoff.attacks.oracle import Compute
from tradeoff.attacks.threat import threat
from tradeoff.probes.clean import classified
from tradeoff.probes.flags import flags
from tradeoff.probes.measured import TestSet

GRADIENTS = {
    "pgd": {"steps": 6},
    "apgd": {"steps": 8},
    "fab": {"steps": 4, "targets": 2},
}
ALL = GRADIENTS | {"fgsm": {}, "square": {"queries": 20}, "autoattack": {"steps": 4, "queries": 8}}


class _NanGradient(torch.autograd.Function):
    """The image itself; its gradient is NaN where the first pixel is above a half."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        (x,) = context.saved_tensors
        gradient = gradient.clone()
        gradient[x[:, 0, 0, 0] > 0.5, 0, 3, 3] = torch.nan
        return gradient


class NanGradients(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = trained()

    def forward(self, x):
        assert x.isfinite().all()
        return self.model(_NanGradient.apply(x))


class Overflowing(torch.nn.Module):
    """Right when it is asked first, about clean images; afterwards one logit is not finite."""

    def __init__(self, value, before=1):
        super().__init__()
        self.model, self.value, self.before, self.calls = trained(), value, before, 0

    def forward(self, x):
        assert x.isfinite().all()
        self.calls += 1
        logits = self.model(x)
        if self.calls > self.before:
            logits = logits + torch.tensor([self.value, *[0.0] * 9])
        return logits


def marked(n, share=1):
    """Digits whose first pixel is white in every `share`-th, whatever an attack of a small epsilon does to it."""
    images, labels, ids = held_out(n)
    images = images.copy()
    images[:, :, 0, 0] = 0
    images[::share, :, 0, 0] = 255
    return images, labels, ids


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", list(GRADIENTS))
def test_gradients_that_are_nan_fool_nobody_and_are_counted(name, norm):
    images, labels, ids = marked(40)
    spec = {"attack": name, "norm": norm, **GRADIENTS[name]}
    result = attack(NanGradients(), images, labels, ids, threat(spec, 1e-6), 0, keep_examples=True)
    assert result.correct.sum() > 20
    assert not result.fooled[result.correct].any()
    assert torch.equal(result.adversarial, as_floats(images))
    assert result.diagnostics.not_finite == result.correct.sum()
    assert result.diagnostics.zero_gradients == result.diagnostics.first_points


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", list(GRADIENTS))
def test_a_sample_without_a_gradient_disturbs_no_other(name, norm):
    images, labels, ids = marked(60, share=3)
    spec = threat({"attack": name, "norm": norm, **GRADIENTS[name]}, 0.1 if norm == "linf" else 0.8)
    broken = attack(NanGradients(), images, labels, ids, spec, 0)
    healthy = attack(trained(), images, labels, ids, spec, 0)
    others = np.arange(60) % 3 > 0
    assert healthy.fooled[others & healthy.correct].sum() > 5
    assert (broken.steps_to_fool == healthy.steps_to_fool)[others].all()
    assert broken.diagnostics.not_finite == broken.correct[~others].sum() > 0
    assert healthy.diagnostics.not_finite == 0


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", list(ALL))
def test_answers_that_are_not_finite_fool_nobody_and_are_counted(name, norm, value):
    images, labels, ids = held_out(40)
    spec = {"attack": name, "norm": norm, **ALL[name]}
    result = attack(Overflowing(value), images, labels, ids, threat(spec, 0.1), 0, keep_examples=True)
    assert result.correct.sum() > 30
    assert not result.fooled[result.correct].any()
    assert torch.equal(result.adversarial, as_floats(images))
    assert result.diagnostics.not_finite == result.correct.sum()


def test_in_bf16_a_point_whose_answer_in_fp32_is_not_finite_does_not_count():
    class Liar(torch.nn.Module):
        """Away from the clean image, wrong under autocast and without an answer in its own precision."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, x):
            zero = x.flatten(1).sum(1) * 0 * self.weight
            other = 2 if torch.is_autocast_enabled("cpu") else torch.where((x == 0.5).all(), 0, torch.nan)
            return torch.stack([zero + 1, zero + other], dim=1)

    x = torch.full((10, 3, 4, 4), 0.5)
    labels = torch.zeros(10, dtype=torch.int64)
    result = attack(
        Liar(),
        x,
        labels,
        torch.arange(10),
        threat({"attack": "pgd", "steps": 4}, 0.1),
        0,
        Compute(precision="bf16"),
    )
    assert result.correct.all()
    assert not result.fooled.any()


def test_a_model_that_says_nan_is_right_about_nothing():
    images, _, ids = held_out(20)
    labels = np.zeros(20, dtype=np.int64)  # what argmax makes of NaN
    model = Overflowing(torch.nan, before=0)
    result = attack(model, images, labels, ids, threat({"attack": "pgd"}, 0.1), 0)
    assert not result.correct.any()
    assert result.fooled.all()
    assert result.diagnostics.not_finite == 20
    assert result.diagnostics.first_points == 0
    assert not classified(model, TestSet("digits", images, labels, ids), Compute()).any()


@pytest.mark.parametrize("name", ["pgd", "apgd", "square"])
def test_classes_masked_by_minus_infinity_change_nothing(name):
    class Masked(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = trained()

        def forward(self, x):
            logits = self.model(x)
            return torch.cat([logits, logits.new_full((len(x), 2), -torch.inf)], dim=1)

    images, labels, ids = held_out(60)
    spec = threat({"attack": name, **ALL[name]}, 0.1)
    plain = attack(trained(), images, labels, ids, spec, 0)
    masked = attack(Masked(), images, labels, ids, spec, 0)
    assert plain.fooled[plain.correct].sum() > 3
    assert (masked.fooled == plain.fooled).mean() > 0.98
    assert masked.diagnostics.not_finite == 0


def test_a_sweep_counts_each_sample_once_and_its_flag_says_what_to_suspect():
    images, labels, ids = marked(15)
    spec = threat({"attack": "pgd", "steps": 3}, 1)
    found = sweep(NanGradients(), images, labels, ids, spec, [1e-6, 2e-6, 3e-6], 0)
    attacked = int((found.first_failure > 0).sum())
    assert found.diagnostics.not_finite == attacked > 10
    row = {"step": 3, "test_set": "digits", "epsilon": 1e-6, "n": 15, "correct": attacked}
    (line,) = flags([row], {3: {"not_finite": attacked, "norm": "linf"}})
    assert f"not finite for {attacked} of 15 samples: suspect overflow in bf16 or fp16" in line
