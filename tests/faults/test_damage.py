"""Files cut short or with one flipped bit: noticed at their next use, or by `make verify`; never in a table."""

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data_support import write_raw
from tests.synthetic_results import write_study
from tradeoff.data.decode import Form
from tradeoff.data.pack import pack
from tradeoff.errors import UserError
from tradeoff.files import sha256_of
from tradeoff.provenance import write_provenance
from tradeoff.seals import read_sealed, write_sealed
from tradeoff.verify import verify
from workflow_scripts import draw_figure, gather, pareto_auc, write_metrics, write_numbers, write_table

FULL = os.environ.get("TRADEOFF_FAULTS") == "full"
RESULTS = Path("results/made_up")
RAW, PACKED = Path("data/raw/test"), Path("data/packed/digits@16-squash")
FIGURE, TABLE = "frontiers", "auc"
# A file of every kind, the ones that `make test` damages.
RUN = "digits/tiny_vit/lora/standard/seed0"
KINDS = [
    *(RAW / name for name in ("source.json", "train.parquet")),
    *(PACKED / name for name in ("manifest.json", "images.npy", "index.parquet")),
    *(
        RESULTS / name
        for name in (
            "backbones/tiny_vit/backbone.json",
            "backbones/tiny_vit/weights.safetensors",
            f"runs/{RUN}/run.json",
            f"runs/{RUN}/cost.json",
            f"runs/{RUN}/training.parquet",
            f"runs/{RUN}/snapshots.safetensors",
            f"probes/{RUN}/pgd.parquet",
            f"probes/{RUN}/pgd.outcomes.safetensors",
            f"probes/{RUN}/pgd.cost.json",
            f"probes/{RUN}/pgd.record.json",
            "tables/probes.parquet",
            "tables/runs.csv",
            "tables/flags.json",
            "tables/gather.record.json",
            "tables/pareto_auc.csv",
            f"tables/{TABLE}.md",
            f"tables/{TABLE}.tex",
            f"figures/{FIGURE}.png",
            f"figures/{FIGURE}.pdf",
            f"figures/{FIGURE}.csv",
            f"figures/{FIGURE}.record.json",
            "study.json",
            "metrics.json",
            "numbers.tex",
            "provenance.json",
            "provenance.md",
        )
    ),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished study, as the library writes it; only the training and the attacks are made up."""
    project = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
        labels = np.arange(40) % 4
        splits = {"train": (images[:20], labels[:20]), "test": (images[20:], labels[20:])}
        write_raw(RAW, splits, list("abcd"))
        pack(RAW, PACKED, Form(16, "squash"))
        settings = {
            "strategies": ("full", "lora"),
            "shifts": (),
            "corruptions": (),
            "n": 20,
            "steps": (0, 10, 20),
        }
        write_study(RESULTS, data="data/packed/{}@16-squash", **settings)
        tables()
        finish()
    return project


@pytest.fixture
def project(finished, tmp_path, monkeypatch):
    """A copy of the finished study that a test may damage, as the current folder."""
    shutil.copytree(finished, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def tables():
    """What the study's numbers come through: whatever a run or a probe says has to pass here."""
    gather.main(["--study", str(RESULTS / "study.json"), "--results", str(RESULTS)])
    pareto_auc.main(["--results", str(RESULTS), "--bootstrap", "5"])


def finish():
    results = ["--results", str(RESULTS)]
    draw_figure.main(["--figure", FIGURE, *results, "--output", str(RESULTS / "figures" / FIGURE)])
    write_table.main(["--table", TABLE, *results, "--output", str(RESULTS / "tables" / TABLE)])
    write_metrics.main(results)
    write_numbers.main(results)
    finish_provenance()


def finish_provenance():
    names = (
        "tables/gather",
        "tables/pareto_auc",
        "metrics",
        "numbers",
        f"tables/{TABLE}",
        f"figures/{FIGURE}",
    )
    write_provenance(RESULTS, [RESULTS / f"{name}.record.json" for name in names])


def files(folder=Path()):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def content(folder):
    return {path: path.read_bytes() for path in files(folder)}


def damage(path, rng):
    """Yield twice, with one bit flipped and with the end cut off; the file is whole again afterwards."""
    whole = path.read_bytes()
    flipped = bytearray(whole)
    bit = rng.randrange(8 * len(whole))
    flipped[bit // 8] ^= 1 << bit % 8
    try:
        for what, damaged in (
            (f"bit {bit} flipped", flipped),
            ("cut short", whole[: rng.randrange(len(whole))]),
        ):
            path.write_bytes(damaged)
            yield what
    finally:
        path.write_bytes(whole)


def test_nothing_is_wrong_with_a_finished_study(project):
    checked = list(verify(RESULTS, [RAW, PACKED]))
    assert [each for each in checked if each.error or each.record is None] == []
    assert {each.path for each in checked} == set(files())
    assert set(KINDS) <= {each.path for each in checked}


@pytest.mark.parametrize("seed", range(5 if FULL else 1))
def test_verify_names_each_file_that_was_damaged(project, seed):
    rng = random.Random(seed)
    for path in files() if FULL else KINDS:
        for what in damage(path, rng):
            errors = [each.error for each in verify(RESULTS, [RAW, PACKED]) if each.error]
            assert str(path) in {error.where for error in errors}, f"{path}, {what}"
            # A record that is damaged cannot vouch for others; nothing else is wrong with them.
            assert len(errors) == 1, f"{path}, {what}: {errors}"
    assert not [each for each in verify(RESULTS, [RAW, PACKED]) if each.error]


@pytest.mark.parametrize("seed", range(3 if FULL else 1))
def test_damage_never_gets_into_a_table(project, seed):
    """Whatever file of a run, a probe or its data is damaged: gathering refuses it, or does not read it."""
    rng = random.Random(seed)
    for folder in ("tables", "figures"):
        shutil.rmtree(RESULTS / folder)
    tables()
    expected = content(RESULTS / "tables")
    gathered = [path for path in (files() if FULL else KINDS) if path.exists() and "tables" not in path.parts]
    refused = set()
    for path in gathered:
        for what in damage(path, rng):
            shutil.rmtree(RESULTS / "tables", ignore_errors=True)
            try:
                tables()
            except UserError as error:
                assert "Traceback" not in str(error)
                refused.add(path)
            else:
                assert content(RESULTS / "tables") == expected, f"{path}, {what}"
    read = (
        "run.json",
        "training.parquet",
        "pgd.parquet",
        "pgd.outcomes.safetensors",
        "pgd.record.json",
        "study.json",
    )
    assert {path for path in gathered if path.name in read} <= refused
    assert PACKED / "images.npy" in refused


@pytest.mark.parametrize("name", ["probes.parquet", "pareto_auc.csv", "frontiers.csv", "gather.record.json"])
def test_a_figure_or_a_table_is_not_made_of_a_damaged_table(project, name):
    for _ in damage(RESULTS / "tables" / name, random.Random(0)):
        with pytest.raises(UserError, match=name):
            write_numbers.main(["--results", str(RESULTS)])
            draw_figure.main(
                ["--figure", FIGURE, "--results", str(RESULTS), "--output", str(RESULTS / "figures" / FIGURE)]
            )


def test_packing_refuses_damaged_raw_data(project):
    for name in ("train.parquet", "test.parquet", "source.json"):
        for _ in damage(RAW / name, random.Random(1)):
            with pytest.raises(UserError, match=name):
                pack(RAW, Path("elsewhere"), Form(16, "squash"))
    assert not Path("elsewhere").exists()


def test_results_that_were_replaced_whole_are_noticed_by_verify(project):
    record = RESULTS / "figures" / f"{FIGURE}.record.json"
    write_sealed(record, read_sealed(record) | {"code": "newer"})
    (error,) = [each.error for each in verify(RESULTS, []) if each.error]
    assert str(record) in str(error)


def test_a_deleted_record_is_missed_by_verify(project):
    (RESULTS / "runs" / RUN / "run.json").unlink()
    errors = [each.error for each in verify(RESULTS, [RAW, PACKED]) if each.error]
    assert [error.where for error in errors] == [str(RESULTS / "runs" / RUN / "run.json")]
    assert errors[0].found == "no such file"


def test_provenance_is_the_same_bytes_again(project):
    before = {name: (RESULTS / name).read_bytes() for name in ("provenance.json", "provenance.md")}
    finish()
    assert {name: (RESULTS / name).read_bytes() for name in before} == before


def test_provenance_leads_from_the_figure_to_the_data_by_hashes(project):
    products = read_sealed(RESULTS / "provenance.json")["products"]
    name = str(RESULTS / "figures" / f"{FIGURE}.record.json")
    chain, pending = [], [name]
    while pending:
        product = products[pending[0]]
        for path, sha256 in product["files"].items():
            assert sha256_of(path) == sha256
        assert sha256_of(pending[0]) == product["record_sha256"]
        chain.append(product["kind"])
        pending = [*pending[1:], *(each for each in product["from"] if each not in pending)]
    assert {"figure", "table", "probe", "run", "backbone", "packed data", "fetched data"} <= set(chain)
    assert products[name]["command"] == f"snakemake --configfile studies/made_up.yaml --force {name}"
    assert "matplotlib" in products[name]["versions"]


def test_a_figure_drawn_from_another_table_is_refused_by_provenance(project):
    record = RESULTS / "figures" / f"{FIGURE}.record.json"
    planted = read_sealed(record)
    planted["from"]["../tables/frontiers.csv"] = "0" * 64
    write_sealed(record, planted)
    with pytest.raises(
        UserError, match=r"frontiers.record.json: found made from .*frontiers.csv .* 000000000000"
    ):
        finish_provenance()
