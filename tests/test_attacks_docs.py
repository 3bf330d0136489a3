"""The page "Add an attack" is true: its file and its line give an attack that works."""

import re
import sys
import types
from pathlib import Path

import pytest
import torch
from attacks_support import as_floats, held_out, trained
from torch.nn import functional

from tradeoff import attacks
from tradeoff.attacks.engine import attack, sweep
from tradeoff.attacks.threat import threat

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "add-an-attack.md"


@pytest.fixture
def added(monkeypatch):
    """The page's attack, its file and registry line taken from the page itself."""
    file, line = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    module = types.ModuleType("tradeoff.attacks.mifgsm")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(file, "mifgsm.py", "exec"), module.__dict__)
    ((name, place),) = eval(f"{{{line}}}").items()  # noqa: S307 - our own page
    assert place == module.__name__
    monkeypatch.setitem(attacks.ATTACKS, name, place)
    return name


def momentum_iterates(model, x, y, epsilon, steps, momentum):
    """Dong et al., eq. 6 and 7, on a whole batch at once."""
    point, direction = x.clone(), torch.zeros_like(x)
    for _ in range(steps):
        point = point.detach().requires_grad_()
        functional.cross_entropy(model(point), y, reduction="sum").backward()
        size = point.grad.flatten(1).norm(p=1, dim=1).view(-1, 1, 1, 1)
        direction = momentum * direction + point.grad / size
        stepped = point.detach() + epsilon / steps * direction.sign()
        point = (x + (stepped - x).clamp(-epsilon, epsilon)).clamp(0, 1)
        yield point


def test_the_pages_attack_fools_whom_the_papers_formula_fools_at_the_same_step(added):
    model = trained()
    images, labels, ids = held_out(150)
    ours = attack(model, images, labels, ids, threat({"attack": added, "steps": 6}, 0.08), 0)
    x, y = as_floats(images), torch.from_numpy(labels)
    fooled = torch.zeros(len(y), dtype=torch.bool)
    for point in momentum_iterates(model, x, y, 0.08, 6, 1.0):
        fooled |= model(point).argmax(1) != y
    assert 5 < fooled.numpy()[ours.correct].sum() < ours.correct.sum()
    assert (ours.fooled == fooled.numpy())[ours.correct].all()


def test_the_pages_attack_has_a_schema_and_sweeps(added):
    assert attacks.schema(added)["properties"]["momentum"]["minimum"] == 0
    images, labels, ids = held_out(60)
    shares = sweep(trained(), images, labels, ids, threat({"attack": added, "norm": "l2"}, 1), [0.2, 0.8], 0)
    assert 0 < (shares.first_failure < 2).sum() < 60
