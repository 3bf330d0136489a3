"""The page "Add a strategy" is true: its file and its line give a strategy that works."""

import re
import sys
import types
from pathlib import Path

import pytest
import torch

from tests.backbones_support import images, tiny
from tradeoff import strategies
from tradeoff.errors import UserError

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "add-a-strategy.md"


@pytest.fixture
def added(monkeypatch):
    """The page's strategy, its file and registry line taken from the page itself."""
    file, line = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    module = types.ModuleType("tradeoff.strategies.last_blocks")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(file, "last_blocks.py", "exec"), module.__dict__)
    ((name, entry),) = eval(f"{{{line}}}", vars(strategies)).items()  # noqa: S307 - our own page
    monkeypatch.setitem(strategies.STRATEGIES, name, entry)
    return name


def test_the_pages_strategy_applies_trains_and_has_a_schema(added):
    model = tiny("vit")
    applied = strategies.apply(model, added, {"count": 1}, 0)
    assert applied.strategy.place == "the last blocks, 1 of them"
    assert {name.split(".")[0] for name in model.trained} == {"blocks", "head"}
    assert {name.split(".")[1] for name in model.trained if name.startswith("blocks")} == {"1"}
    before = {name: tensor.clone() for name, tensor in model.net.state_dict().items()}
    optimizer = torch.optim.AdamW(strategies.decay_groups(model, 0.1), lr=1e-2)
    for step in range(3):
        applied.at_step(model, step, 3)
        applied.train_mode(model)
        model(images("vit")).square().sum().backward()
        optimizer.step()
    moved = {name for name, tensor in model.net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == set(model.trained)
    assert strategies.schema(added)["properties"]["count"]["minimum"] == 1


def test_the_pages_strategy_is_refused_where_it_is_not_defined(added):
    with pytest.raises(UserError, match="lacks blocks"):
        strategies.check_applies(added, "resnet50")
