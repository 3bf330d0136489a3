"""The page "Add an objective" is true: its file and its line give an objective that works."""

import re
import sys
import types
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.backbones_support import images, tiny
from tradeoff import objectives
from tradeoff.attacks.noise import Noise

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "add-an-objective.md"


@pytest.fixture
def added(monkeypatch):
    """The page's objective, its file and registry line taken from the page itself."""
    file, line = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    module = types.ModuleType("tradeoff.objectives.mixed")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(file, "mixed.py", "exec"), module.__dict__)
    ((name, place),) = eval(f"{{{line}}}").items()  # noqa: S307 - our own page
    assert place == module.__name__
    monkeypatch.setitem(objectives.OBJECTIVES, name, place)
    return name


def test_the_pages_objective_weighs_the_two_losses_and_has_a_schema(added):
    model, x, y, ids = tiny("vit"), images("vit"), torch.tensor([0, 1, 2, 3]), torch.arange(4)

    def loss(name, **params):
        return objectives.load(name, {"epsilon": 0.05, **params}).loss(model, x, y, ids, 0.05, Noise(0))

    clean, adversarial = functional.cross_entropy(model(x), y), loss("rft_fix")
    assert adversarial > clean
    torch.testing.assert_close(loss(added, clean=0.3), 0.3 * clean + 0.7 * adversarial)
    schema = objectives.schema(added)
    assert schema["properties"]["clean"]["maximum"] == 1
    assert {"epsilon", "attack", "norm", "steps"} < set(schema["properties"])
    assert schema["required"] == ["epsilon"]
