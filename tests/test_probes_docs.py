"""The pages "Add a kind of probe" and "Add a corruption" are true: their files and lines give what they promise."""

import re
import sys
import types
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
import yaml
from attacks_support import as_floats, held_out, trained

from tradeoff import corruptions, probes
from tradeoff.attacks.oracle import Compute
from tradeoff.corruptions.corrupt import corrupt
from tradeoff.probes import corruption
from tradeoff.probes.measured import TestSet

PAGES = Path(__file__).parents[1] / "docs" / "how-to"


def add(
    monkeypatch: pytest.MonkeyPatch, page: str, module: str, registry: dict[str, str]
) -> tuple[str, dict]:
    """Register what a page adds, its file and line taken from the page; its name, and the probe of its study."""
    text = (PAGES / page).read_text()
    file, line = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    made = types.ModuleType(module)
    monkeypatch.setitem(sys.modules, module, made)
    exec(compile(file, module, "exec"), made.__dict__)
    ((name, place),) = eval(f"{{{line}}}").items()  # noqa: S307 - our own page
    assert place == module
    monkeypatch.setitem(registry, name, place)
    (study,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (probe,) = yaml.safe_load(study)["probes"].values()
    return name, probe


def test_the_pages_probe_counts_who_is_right_on_turned_images(monkeypatch: pytest.MonkeyPatch) -> None:
    name, probe = add(monkeypatch, "add-a-probe.md", "tradeoff.probes.turned", probes.KINDS)
    checked = jsonschema.Draft202012Validator(probes.schema(name))
    assert checked.is_valid(probe)
    assert not checked.is_valid(probe | {"turns": [4]})
    assert not checked.is_valid(probe | {"turn": [1]})
    assert "tradeoff.probes.turned" in probes.modules(probe)
    images, labels, ids = held_out(80)
    found = probes.load(name).evaluate(
        trained(), [TestSet("digits", images, labels, ids)], probe, Compute(32)
    )
    x, y = as_floats(images), torch.from_numpy(labels)
    right = {}
    for turns in (0, 1, 2):
        with torch.no_grad():
            right[turns] = (trained()(x.rot90(turns, (2, 3))).argmax(1) == y).numpy()
    assert [(row["epsilon"], row.get("severity"), row["correct"]) for row in found.rows] == [
        (0.0, None, right[0].sum()),
        *((None, turns, right[turns].sum()) for turns in (1, 2)),
    ]
    assert len({int(each.sum()) for each in right.values()}) == 3
    for outcome, expected in zip(found.outcomes.values(), right.values(), strict=True):
        assert np.array_equal(outcome, expected)


def test_the_pages_corruption_darkens_corners_by_its_level_and_not_the_middle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, probe = add(
        monkeypatch, "add-a-corruption.md", "tradeoff.corruptions.vignette", corruptions.CORRUPTIONS
    )
    assert jsonschema.Draft202012Validator(corruption.schema()).is_valid(probe)
    white = np.full((1, 3, 33, 33), 255, np.uint8)
    for severity, lost in zip(corruptions.SEVERITIES, (0.2, 0.35, 0.5, 0.65, 0.8), strict=True):
        out = corrupt(white, np.array([0]), name, severity, 0)[0]
        assert (out[:, 16, 16] == 255).all()
        assert (np.abs(out[:, [0, 0, 32, 32], [0, 32, 0, 32]] - 255.0 * (1 - lost)) <= 1).all()
        # Halfway to the middle of an edge a quarter of the half is lost.
        assert (np.abs(out[:, 16, 24] - 255.0 * (1 - lost / 8)) <= 1).all()
