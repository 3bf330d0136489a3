"""Searches: they find the peak of a known function, resume exactly, read no test image, and decide what runs do."""

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.torch import save_file

from tests.backbones_support import seal_weights
from tests.data_support import write_raw
from tradeoff import runs, tuning
from tradeoff.artifacts import TABLES, available
from tradeoff.backbones import build
from tradeoff.data.decode import Form
from tradeoff.data.pack import pack
from tradeoff.data.packed import PackedDataset
from tradeoff.errors import UserError
from tradeoff.files import digest_of
from tradeoff.params import load_params
from tradeoff.run_code import tuning_code
from tradeoff.seals import read_sealed, write_sealed
from tradeoff.study import Study
from workflow_scripts import write_table, write_tuned

ROOT = Path(__file__).parents[1]
CELL = "digits/glyph_vit/lora"
EPOCHS = 9


class Killed(BaseException):
    pass


def study(overlay=None):
    return Study(load_params([ROOT / "params.yaml"], overlay))


@pytest.fixture
def search(tmp_path, monkeypatch):
    """A search over a known accuracy, highest at a rate of 1e-3, that grows with the epochs."""
    calls = []

    def known(spec, data, weights, parts, watch, device):
        if len(calls) == search.dies_at:
            search.dies_at = None
            raise Killed
        rate = spec["training"]["learning_rate"]
        calls.append(rate)
        for epoch in range(1, EPOCHS + 1):
            accuracy = math.exp(-((math.log10(rate) + 3) ** 2)) * epoch / EPOCHS
            watch(accuracy)
        return accuracy

    class Search:
        dies_at = None
        rates = calls

        def run(self, output, trials=24):
            spec = {
                "run": {"training": {"learning_rate": 1.0}},
                "search": {"learning_rate": [1e-5, 1e-1]},
                "trials": trials,
                "reduction_factor": 3,
                "seed": 0,
            }
            tuning.tune(spec, "code", tmp_path / "data", tmp_path / "weights.safetensors", output)
            return read_sealed(output)

    search = Search()
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    seal_weights(tmp_path / "weights.safetensors")
    monkeypatch.setattr(tuning, "try_out", known)
    monkeypatch.setattr(
        PackedDataset, "open", classmethod(lambda cls, folder: type("P", (), {"digest": "d"}))
    )
    return search


def test_the_peak_of_a_known_accuracy_is_found_and_poor_trials_are_stopped_early(search, tmp_path):
    found = search.run(tmp_path / "found.json")
    assert 0.5e-3 < found["chosen"]["learning_rate"] < 2e-3
    assert len(found["trials"]) == 24
    complete = [trial for trial in found["trials"] if trial["state"] == "complete"]
    assert found["validation_accuracy"] == max(trial["accuracy"] for trial in complete)
    pruned = [trial for trial in found["trials"] if trial["state"] == "pruned"]
    assert len(pruned) >= 8
    assert all(len(trial["epochs"]) < EPOCHS for trial in pruned)
    assert all(1e-5 <= rate <= 1e-1 for rate in search.rates)
    assert [path.name for path in tmp_path.glob("found*")] == ["found.json"]


@pytest.mark.parametrize("dies_at", [0, 1, 7, 13])
def test_killed_and_continued_it_finds_the_same_bytes(search, tmp_path, dies_at):
    search.run(tmp_path / "whole.json", trials=14)
    search.rates.clear()
    search.dies_at = dies_at
    with pytest.raises(Killed):
        search.run(tmp_path / "killed.json", trials=14)
    search.run(tmp_path / "killed.json", trials=14)
    assert len(search.rates) == 14
    assert (tmp_path / "killed.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_a_trial_that_diverges_counts_as_the_worst(search, tmp_path, monkeypatch):
    known = tuning.try_out

    def sometimes(spec, *rest):
        if spec["training"]["learning_rate"] > 1e-2:
            raise UserError("run", "a loss of nan", "finite numbers")
        return known(spec, *rest)

    monkeypatch.setattr(tuning, "try_out", sometimes)
    found = search.run(tmp_path / "found.json")
    assert any(trial["accuracy"] == 0 for trial in found["trials"])
    assert found["chosen"]["learning_rate"] < 1e-2


def test_a_real_search_reads_training_and_validation_images_alone(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    labels = np.arange(60) % 10
    images = (random.integers(0, 25, (60, 16, 16, 3)) + 23 * labels[:, None, None, None]).astype(np.uint8)
    names = [str(k) for k in range(10)]
    (tmp_path / "raw").mkdir()
    write_raw(tmp_path / "raw", {"train": (images, labels), "test": (images[:20], labels[:20])}, names)
    pack(tmp_path / "raw", tmp_path / "packed", Form(16, "squash"))
    overlay = {
        "study": {"name": "x", "strategies": ["linear"]},
        "training": {"epochs": 2, "batch_size": 16},
        "tuning": {"trials": 3, "weight_decay": [1e-6, 1e-1]},
    }
    (spec,) = study(overlay).tuning().values()
    model = build(spec["run"]["backbone_spec"], 10, 0, None)
    save_file(dict(model.net.state_dict()), tmp_path / "weights.safetensors")
    seal_weights(tmp_path / "weights.safetensors")
    asked = []
    load_split = runs.load_split
    monkeypatch.setattr(
        runs,
        "load_split",
        lambda folder, domain, split, **k: asked.append(split) or load_split(folder, domain, split, **k),
    )
    tuning.tune(spec, "code", tmp_path / "packed", tmp_path / "weights.safetensors", tmp_path / "found.json")
    found = read_sealed(tmp_path / "found.json")
    assert set(asked) == {"train", "validation"}
    assert set(found["chosen"]) == {"learning_rate", "weight_decay"}
    assert len(found["trials"]) == 3
    assert sorted(path.name for path in tmp_path.glob("found*")) == ["found.json"]


def test_there_is_a_search_for_each_dataset_backbone_and_strategy_but_not_for_pinned_cells():
    assert set(study().tuning()) == {f"digits/glyph_vit/{s}" for s in study().params["study"]["strategies"]}
    pinned = study({"recipes": {CELL: {"learning_rate": 1e-4}}, "study": {"seeds": [3, 4]}})
    assert CELL not in pinned.tuning()
    assert len(pinned.tuning()) == 6
    each = study({"tuning": {"objective": "each"}})
    assert f"{CELL}/standard" in each.tuning()


def test_a_search_is_the_same_whatever_number_of_processes_its_runs_have():
    name = f"{CELL}/standard/seed0"
    two = study({"compute": {"processes": 2}})
    assert two.runs[name].digest != study().runs[name].digest
    assert two.tuning() == study().tuning()
    assert study({"compute": {"threads": 2}}).tuning() != study().tuning()


def test_tuned_values_decide_what_their_runs_are_and_pinned_values_win():
    name = f"{CELL}/standard/seed0"
    plain = study().runs[name]
    tuned = study({"tuned": {CELL: {"learning_rate": 7e-4}}})
    assert tuned.runs[name].spec["training"]["learning_rate"] == 7e-4
    assert tuned.runs[name].digest != plain.digest
    others = [run.digest == study().runs[run.name].digest for run in tuned.runs.values() if run.name != name]
    assert all(others)
    both = study({"tuned": {CELL: {"learning_rate": 7e-4}}, "recipes": {CELL: {"learning_rate": 2e-4}}})
    assert both.runs[name].spec["training"]["learning_rate"] == 2e-4
    closest = study({"recipes": {CELL: {"epochs": 3}, f"{CELL}/standard": {"epochs": 4}}})
    assert closest.runs[name].spec["training"]["epochs"] == 4
    # What was chosen does not change what is searched, or a search would never be done.
    assert tuned.tuning() == study().tuning()


def test_a_recipe_for_a_cell_that_no_run_has_is_refused():
    with pytest.raises(UserError, match=r"recipes\.digits/glyph_vit/lara: found no such cell"):
        study({"recipes": {"digits/glyph_vit/lara": {"learning_rate": 1e-3}}})
    with pytest.raises(UserError, match=r"tuning\.objective"):
        study({"tuning": {"objective": "rft"}})


def test_the_table_of_recipes_says_what_was_tuned_and_what_is_pinned(tmp_path):
    assert "recipes" not in available(study().summary(), TABLES)
    its = study(
        {
            "tuned": {CELL: {"learning_rate": 7e-4}, "digits/glyph_vit/linear": {"learning_rate": 0.01}},
            "recipes": {CELL: {"learning_rate": 2e-4, "weight_decay": 0.1}},
        }
    )
    assert "recipes" in available(its.summary(), TABLES)
    write_sealed(tmp_path / "study.json", its.summary())
    write_table.main(
        ["--table", "recipes", "--results", str(tmp_path), "--output", str(tmp_path / "recipes")]
    )
    lines = (tmp_path / "recipes.md").read_text().splitlines()
    assert "| digits | glyph_vit | LoRA | every | 0.0002 | 0.1 | — | tuned and pinned |" in lines
    assert any("| 0.01 | — | — | tuned |" in line for line in lines)


def test_what_the_searches_chose_is_written_where_the_study_reads_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("study: {name: mine, strategies: [linear, lora]}\n")
    files = [ROOT / "params.yaml", tmp_path / "mine.yaml"]
    for rank, (cell, spec) in enumerate(Study(load_params(files)).tuning().items(), start=1):
        found = {
            "digest": digest_of(spec),
            "code": tuning_code(spec["run"]),
            "chosen": {"learning_rate": rank * 1e-4},
            "validation_accuracy": 0.5,
        }
        write_sealed(Path("results/mine/tuned") / f"{cell}.json", found)
    write_tuned.main(list(map(str, files)))
    written = yaml.safe_load((tmp_path / "tuned/mine.yaml").read_text())
    assert set(written["tuned"]) == {CELL, "digits/glyph_vit/linear"}
    runs_now = Study(load_params(files)).runs
    assert runs_now[f"{CELL}/standard/seed0"].spec["training"]["learning_rate"] == 2e-4
    # Written again, from searches that are still today's, it is the same file.
    before = (tmp_path / "tuned/mine.yaml").read_bytes()
    write_tuned.main(list(map(str, files)))
    assert (tmp_path / "tuned/mine.yaml").read_bytes() == before
    other = Path("results/mine/tuned") / f"{CELL}.json"
    write_sealed(other, read_sealed(other) | {"code": "before"})
    with pytest.raises(UserError, match="or other code"):
        write_tuned.main(list(map(str, files)))
    (tmp_path / "mine.yaml").write_text(
        "study: {name: mine, strategies: [linear, lora]}\ntuning: {trials: 5}\n"
    )
    with pytest.raises(UserError, match="a search with other settings"):
        write_tuned.main(list(map(str, files)))
