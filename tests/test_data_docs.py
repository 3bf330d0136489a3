"""The page "Add a dataset" is true: its params and its file give datasets that can be fetched and packed."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.data_support import png, write_parquet
from tradeoff.data import hub, registry
from tradeoff.data.decode import Form
from tradeoff.data.fetch import fetch
from tradeoff.data.pack import pack
from tradeoff.data.packed import PackedDataset
from tradeoff.params import load_params

PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "add-a-dataset.md").read_text()
PARAMS = Path(__file__).parents[1] / "params.yaml"
RANDOM = np.random.default_rng(5)


def pictures(n):
    return [png(RANDOM.integers(256, size=(6, 6, 3)).astype("uint8")) for _ in range(n)]


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_the_pages_params_are_valid_and_lead_to_the_images(tmp_path, kind):
    """The page's paths are moved to a folder of the test; nothing else is changed."""
    for split in ("train", "test"):
        columns = {"image": "picture", "label": "species"}
        file = tmp_path / f"data/leaves-{split}.parquet"
        write_parquet(file, pictures(4), [0, 1, 0, 1], ["ash", "oak"], columns=columns)
        for name in ("ash", "oak"):
            folder = tmp_path / "data/leaves" / split / name
            folder.mkdir(parents=True)
            for number, picture in enumerate(pictures(2)):
                (folder / f"{number}.png").write_bytes(picture)
    (block,) = (
        text for text in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL) if f"{kind}:" in text
    )
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(block.replace("/data", str(tmp_path / "data")))
    definition = load_params([PARAMS, overlay])["datasets"]["leaves"]
    registry.check("leaves", {"leaves": definition}, None)
    assert yaml.safe_load(block)["study"]["datasets"] == ["leaves"]
    fetch("leaves", definition, None, tmp_path / "raw")
    pack(tmp_path / "raw", tmp_path / "packed", Form(6, "squash"))
    packed = PackedDataset.open(tmp_path / "packed")
    assert packed.class_names == ("ash", "oak")
    assert sorted(packed.labels[:4]) == sorted(packed.labels[4:]) == [0, 0, 1, 1]


def test_the_pages_file_and_line_are_a_dataset(tmp_path, monkeypatch):
    file, line = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    module = types.ModuleType("tradeoff.data.sources.flowers102")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(file, "flowers102.py", "exec"), module.__dict__)
    ((name, entry),) = yaml.safe_load(f"{{{line.strip().rstrip(',')}}}").items()
    monkeypatch.setitem(registry.DATASETS, name, entry)
    registry.check(name, {}, None)
    place = registry.source(name, {}).hub
    files = {}
    for split, n in (("train", 204), ("validation", 102), ("test", 102)):
        files[split] = [tmp_path / f"{split}-00000-of-00001.parquet"]
        columns = {"image": place.columns.image, "label": place.columns.label}
        write_parquet(files[split][0], pictures(n), np.arange(n) % 102 + 1, None, columns=columns)
    monkeypatch.setattr("tradeoff.data.fetch.download", lambda *_: (place.revision, files))
    assert len(place.revision) == hub.FULL_COMMIT
    fetch(name, {}, None, tmp_path / "raw")
    pack(tmp_path / "raw", tmp_path / "packed", Form(6, "crop"))
    packed = PackedDataset.open(tmp_path / "packed")
    assert packed.labels.min() == 0
    assert len(packed.class_names) == 102
    assert (packed.splits == "validation").sum() == 102
