"""Gathering: everything of today's study gets into the tables, and nothing else does."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from synthetic_results import EPSILONS, STEPS, seal_run, write_study

from tradeoff.analysis.gather import gather, write_gathered
from tradeoff.analysis.study_file import expected_up_to, headline, probes_of_kind, read_study
from tradeoff.errors import UserError
from tradeoff.files import digest_of, sha256_of
from tradeoff.seals import read_sealed, write_sealed
from workflow_scripts import gather as script

RUN = "digits/tiny_vit/lora/standard/seed0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_study(tmp_path, strategies=("full", "lora"), n=40)
    return tmp_path


def seal(root: Path) -> None:
    """Make the records fit files that a test planted: what is wrong with them is not that they are damaged."""
    for run in read_study(root / "study.json")["runs"]:
        seal_run(root, run)


def gathered(root: Path) -> Any:
    return gather(read_study(root / "study.json"), root)


def test_every_row_of_every_probe_arrives_with_its_run(root: Path) -> None:
    probes = gathered(root).probes.to_pandas()
    attacked = probes[(probes["run"] == RUN) & (probes["probe"] == "pgd")]
    original = pq.read_table(root / "probes" / RUN / "pgd.parquet").to_pandas()
    assert len(attacked) == len(STEPS) * (1 + len(EPSILONS))
    assert attacked["correct"].tolist() == original["correct"].tolist()
    assert set(attacked["family"]) == {"lora"}
    assert set(probes["run"]) == {RUN, "digits/tiny_vit/full/standard/seed0"}


def test_training_logs_parameters_and_flags_arrive_too(root: Path) -> None:
    path = root / "probes" / RUN / "pgd.parquet"
    table = pq.read_table(path)
    pq.write_table(
        table.replace_schema_metadata(table.schema.metadata | {b"flags": b'["robust above clean"]'}), path
    )
    seal(root)
    result = gathered(root)
    assert result.training.num_rows == 2 * STEPS[-1]
    assert [row["trainable"] for row in result.runs] == [1000, 2000]
    assert [row["place"] for row in result.runs] == ["where full acts", "where lora acts"]
    assert result.flags == [{"run": RUN, "probe": "pgd", "flag": "robust above clean"}]


def test_equal_results_give_equal_bytes(root: Path) -> None:
    for folder in ("one", "two"):
        write_gathered(gathered(root), root / folder, "c0de")
    for name in ("probes.parquet", "training.parquet", "runs.csv", "flags.json", "gather.record.json"):
        assert (root / "one" / name).read_bytes() == (root / "two" / name).read_bytes()


def test_a_run_of_other_params_is_refused_by_name(root: Path) -> None:
    about = root / "runs" / RUN / "run.json"
    write_sealed(about, read_sealed(about) | {"digest": "0" * 64})
    with pytest.raises(UserError, match=f"run {RUN}: found the digest 000000000000"):
        gathered(root)


def test_a_run_that_other_code_made_is_refused_by_name(root: Path) -> None:
    write_sealed(root / "study.json", _with_code(read_study(root / "study.json"), "newer"))
    with pytest.raises(UserError, match=rf"run {RUN}: found the code c0de in .*run.json; expected newer"):
        gathered(root)


def _with_code(study: dict[str, Any], code: str) -> dict[str, Any]:
    return study | {"runs": [run | {"code": code} if run["run"] == RUN else run for run in study["runs"]]}


def test_a_whole_run_that_was_renamed_is_refused_by_name(root: Path) -> None:
    other = RUN.replace("lora", "full")
    for folder in ("runs", "probes"):
        shutil.rmtree(root / folder / RUN)
        shutil.copytree(root / folder / other, root / folder / RUN)
    with pytest.raises(UserError, match=rf"run {RUN}: found the digest \w+ in .*run.json"):
        gathered(root)


def test_a_run_from_other_weights_than_the_backbone_now_has_is_refused(root: Path) -> None:
    backbone = root / "backbones" / "tiny_vit" / "backbone.json"
    write_sealed(backbone, read_sealed(backbone) | {"sha256": {"weights.safetensors": "retrained"}})
    with pytest.raises(UserError, match=r"the weights_sha256 \w{12} in .*run.json; expected retrained"):
        gathered(root)


@pytest.mark.parametrize("key", ["digest", "code"])
def test_a_backbone_that_other_settings_or_code_made_is_refused(root: Path, key: str) -> None:
    backbone = root / "backbones" / "tiny_vit" / "backbone.json"
    write_sealed(backbone, read_sealed(backbone) | {key: "0" * 64})
    with pytest.raises(UserError, match=rf"backbone tiny_vit: found the {key} 0{{12}} in .*backbone.json"):
        gathered(root)


@pytest.mark.parametrize("key", ["definition_digest", "code", "packing_code"])
def test_data_that_another_definition_or_code_made_are_refused(root: Path, key: str) -> None:
    pack(root / "packed" / "digits")
    study = read_study(root / "study.json")
    datasets = {"digits": study["datasets"]["digits"] | {key: "1" * 16}}
    write_sealed(root / "study.json", study | {"datasets": datasets})
    with pytest.raises(UserError, match=rf"dataset digits: found the {key} \w+ in .*manifest.json"):
        gathered(root)


def test_a_run_on_other_data_than_are_packed_now_is_refused(root: Path) -> None:
    digest = pack(root / "packed" / "digits")
    with pytest.raises(
        UserError, match=rf"the data digest da7a of digits in .*run.json; expected {digest[:12]}"
    ):
        gathered(root)
    for about in root.glob("runs/**/run.json"):
        write_sealed(about, read_sealed(about) | {"data_digest": digest})
    # The runs are today's then, but their probes are not.
    with pytest.raises(UserError, match=r"the data digest da7a of digits in .*\.parquet; expected"):
        gathered(root)


def pack(folder: Path) -> str:
    """Write a packed dataset of two images; return the digest that runs on it have to carry."""
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", np.zeros((2, 3, 8, 8), np.uint8))
    index = {"label": [0, 1], "domain": pa.nulls(2, pa.int64()), "split": ["train", "test"]}
    pq.write_table(pa.table(index), folder / "index.parquet")
    files = [folder / "images.npy", folder / "index.parquet"]
    content = {
        "sha256": {file.name: sha256_of(file) for file in files},
        "class_names": ["0", "1"],
        "domain_names": [],
    }
    sizes = {file.name: file.stat().st_size for file in files}
    made = {"code": "c0de", "source": {"definition_digest": digest_of({}), "code": "c0de"}}
    write_sealed(folder / "manifest.json", content | made | {"bytes": sizes, "shape": [2, 3, 8, 8]})
    return digest_of(content)


def test_probes_that_do_not_agree_on_the_data_are_refused_by_name(root: Path) -> None:
    """Also when the data are not there to compare with."""
    path = root / "probes" / RUN / "shift.parquet"
    table = pq.read_table(path)
    identity = json.loads(table.schema.metadata[b"identity"])
    for reference in ("digits", "typeset_digits"):
        planted = identity | {
            "data_digests": {"digits": "da7a", "typeset_digits": "5if7", reference: "planted"}
        }
        _plant(root, path, table, planted)
        with pytest.raises(
            UserError, match=rf"run {RUN}: found the data digest planted of {reference} in .*shift.parquet"
        ):
            gathered(root)


def _plant(root: Path, path: Path, table: pa.Table, identity: dict[str, Any]) -> None:
    """Write a shift probe with another identity, and outcomes that agree."""
    pq.write_table(table.replace_schema_metadata({b"identity": json.dumps(identity).encode()}), path)
    outcomes = path.with_name("shift.outcomes.safetensors")
    save_file({"steps": np.arange(3)}, outcomes, {"identity": json.dumps(identity)})
    seal(root)


def test_a_training_log_of_another_run_is_refused(root: Path) -> None:
    path, other = (root / "runs" / run / "training.parquet" for run in (RUN, RUN.replace("lora", "full")))
    path.write_bytes(other.read_bytes())
    seal(root)
    with pytest.raises(UserError, match=rf"run {RUN}: found the digest \w+ in .*training.parquet"):
        gathered(root)


@pytest.mark.parametrize("probe", ["pgd", "shift"])
def test_outcomes_that_are_of_something_else_than_the_table_are_refused(root: Path, probe: str) -> None:
    path = root / "probes" / RUN / f"{probe}.outcomes.safetensors"
    with safe_open(path, "np") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
    identity = json.loads(metadata["identity"]) | {"weights_sha256": "planted"}
    save_file(tensors, path, metadata | {"identity": json.dumps(identity)})
    seal(root)
    with pytest.raises(UserError, match=rf"the weights_sha256 planted in .*{probe}.outcomes.safetensors"):
        gathered(root)


def test_outcomes_that_are_missing_or_do_not_say_what_they_are_of_are_refused(root: Path) -> None:
    path = root / "probes" / RUN / "pgd.outcomes.safetensors"
    save_file({"steps": np.arange(3)}, path)
    seal(root)
    with pytest.raises(UserError, match=r"pgd.outcomes.safetensors: found a broken file \('identity'\)"):
        gathered(root)
    path.unlink()
    with pytest.raises(UserError, match=r"pgd.outcomes.safetensors: found no such file"):
        gathered(root)


@pytest.mark.parametrize(
    "key", ["probe_digest", "probe_code", "run_digest", "run_code", "snapshots_sha256", "weights_sha256"]
)
def test_a_probe_of_something_else_is_refused_by_name(root: Path, key: str) -> None:
    path = root / "probes" / RUN / "shift.parquet"
    table = pq.read_table(path)
    identity = json.loads(table.schema.metadata[b"identity"]) | {key: "planted"}
    pq.write_table(table.replace_schema_metadata({b"identity": json.dumps(identity).encode()}), path)
    seal(root)
    with pytest.raises(UserError, match=f"run {RUN}: found the {key} planted in .*shift.parquet"):
        gathered(root)


def test_a_probe_that_does_not_say_what_it_is_of_is_refused(root: Path) -> None:
    path = root / "probes" / RUN / "pgd.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    seal(root)
    with pytest.raises(UserError, match="probe_digest nothing"):
        gathered(root)


def test_a_file_cut_short_is_named(root: Path) -> None:
    path = root / "probes" / RUN / "pgd.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"pgd.parquet: found sha256 \w+; expected \w+; it was damaged"):
        gathered(root)


def test_a_missing_file_is_named(root: Path) -> None:
    (root / "runs" / RUN / "training.parquet").unlink()
    with pytest.raises(UserError, match=r"training.parquet: found no such file"):
        gathered(root)


def test_a_missing_column_is_named(root: Path) -> None:
    path = root / "probes" / RUN / "pgd.parquet"
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["correct"]), path)
    seal(root)
    with pytest.raises(UserError, match="no column correct"):
        gathered(root)


def test_a_refused_run_leaves_the_tables_of_before(root: Path) -> None:
    arguments = ["--study", str(root / "study.json"), "--results", str(root)]
    script.main(arguments)
    before = {path.name: path.read_bytes() for path in (root / "tables").iterdir()}
    (root / "probes" / RUN / "pgd.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError):
        script.main(arguments)
    assert {path.name: path.read_bytes() for path in (root / "tables").iterdir()} == before


def test_a_column_that_is_empty_in_one_run_keeps_its_type(root: Path) -> None:
    path = root / "probes" / RUN / "shift.parquet"
    table = pq.read_table(path)
    domains = pa.array(["sketch"] * len(table))
    pq.write_table(table.set_column(table.column_names.index("domain"), "domain", domains), path)
    seal(root)
    assert gathered(root).probes.schema.field("domain").type == pa.string()


def test_the_headline_is_what_params_say_and_otherwise_the_middle_epsilon(root: Path) -> None:
    study = read_study(root / "study.json")
    assert headline(study).epsilon == EPSILONS[1]
    study["params"]["tradeoff"]["headline"] = {"probe": "pgd", "epsilon": "8/255"}
    assert headline(study).epsilon == EPSILONS[2]
    study["params"]["tradeoff"]["headline"] = {"probe": "pgd", "epsilon": "9/255"}
    with pytest.raises(
        UserError, match=r"tradeoff.headline: found pgd, ε = 9/255; expected one of pgd, ε = 1/255"
    ):
        headline(study)


def test_expected_robustness_goes_to_the_largest_probed_epsilon_that_params_admit(root: Path) -> None:
    study = read_study(root / "study.json")
    limits = {None: 8 / 255, 1: 8 / 255, "8/255": 8 / 255, "7.9/255": 4 / 255, "4/255": 4 / 255, "0.001": 0}
    for limit, largest in limits.items():
        study["params"]["tradeoff"]["expected_up_to"] = limit
        assert expected_up_to(study, "pgd") == largest


def test_a_probe_that_no_run_has_is_no_probe_of_the_study(root: Path) -> None:
    study = read_study(root / "study.json")
    assert probes_of_kind(study, "shift") == ["shift"]
    for run in study["runs"]:
        del run["probes"]["shift"]
    assert probes_of_kind(study, "shift") == []


def test_analysis_never_imports_torch() -> None:
    modules = [
        "expected",
        "frontier",
        "gather",
        "intervals",
        "masked",
        "metrics",
        "outcomes",
        "pareto_auc",
        "points",
        "study_file",
    ]
    lines = [f"import tradeoff.analysis.{module}" for module in modules]
    check = "; ".join([*lines, "import sys", "assert not {'torch', 'snakemake', 'dvc'} & set(sys.modules)"])
    subprocess.run([sys.executable, "-c", check], check=True)
