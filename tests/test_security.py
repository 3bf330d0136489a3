"""Files and params from strangers are data: nothing in them is ever run."""

import importlib.util
import json
import pickle
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.workflow import Project
from tradeoff import mirror, snapshots, training
from tradeoff.analysis.outcomes import read_identity
from tradeoff.backbones import fetch_weights, read_state
from tradeoff.data.packed import PackedDataset
from tradeoff.data.raw import open_parquet
from tradeoff.data.readers import read_folder
from tradeoff.errors import UserError
from tradeoff.files import sha256_of
from tradeoff.params import check_params, load_params
from tradeoff.seals import sums, write_sealed, write_sealed_bytes

ROOT = Path(__file__).parents[1]
SHELL = "a b$(touch canary)`touch canary`;touch canary;'\"&|touch canary>canary #{x}*?\\"


class Malicious:
    """Unpickled, it would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    yield path
    assert not path.exists()


def test_the_bait_works(tmp_path):
    pickle.loads(pickle.dumps(Malicious(tmp_path / "canary")))  # noqa: S301 - to see that it would
    assert (tmp_path / "canary").exists()


# --- pickles


def plain(value, path):
    path.write_bytes(pickle.dumps(value))


def zipped(value, path):
    torch.save(value, path)


def legacy(value, path):
    torch.save(value, path, _use_new_zipfile_serialization=False)


WRITERS = [plain, zipped, legacy]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin", "w.ckpt", "w.safetensors"])
def test_weights_with_code_in_them_are_refused(canary, tmp_path, write, name):
    write({"state_dict": {"weight": torch.zeros(2)}, "extra": Malicious(canary)}, tmp_path / name)
    with pytest.raises(UserError, match=r"broken file|cannot be read safely"):
        read_state(tmp_path / name)
    with pytest.raises(UserError, match=r"broken file|cannot be read safely"):
        fetch_weights({"file": str(tmp_path / name)}, None, tmp_path / "out" / "weights.safetensors")
    assert not (tmp_path / "out" / "weights.safetensors").exists()


@pytest.mark.parametrize("write", WRITERS)
def test_a_resume_file_with_code_in_it_is_thrown_away(canary, tmp_path, write, capsys):
    parts = tmp_path / "parts"
    parts.mkdir()
    job = SimpleNamespace(parts=parts, label="run", model=None)
    file = training._state_file(parts)
    write({"step": 3, "rows": [], "seconds": 0.0, "sums": {}, "optimizer": Malicious(canary)}, file)
    write_sealed_bytes(file, file.read_bytes())  # the seal vouches for it
    assert training._resume(job, None) == training.State(0, [], 0.0, {})
    assert "starting anew" in capsys.readouterr().out
    assert not parts.exists()


@pytest.mark.parametrize("write", WRITERS)
def test_pickles_under_the_names_of_our_results_are_refused(canary, tmp_path, write):
    write(Malicious(canary), tmp_path / "x.outcomes.safetensors")
    write(Malicious(canary), tmp_path / "table.parquet")
    write_sealed(tmp_path / "x.record.json", {"sha256": sums(tmp_path, ["x.outcomes.safetensors"])})
    for read, name in [
        (snapshots.steps, "x.outcomes.safetensors"),
        (read_identity, "x.outcomes.safetensors"),
        (open_parquet, "table.parquet"),
    ]:
        with pytest.raises(UserError, match="broken file"):
            read(tmp_path / name)


def test_an_array_of_objects_is_refused_even_when_its_manifest_vouches_for_it(canary, tmp_path):
    objects = np.empty(1, dtype=object)
    objects[0] = Malicious(canary)
    np.save(tmp_path / "images.npy", objects, allow_pickle=True)
    index = {"label": [0], "domain": pa.array([None], pa.int64()), "split": ["train"]}
    pq.write_table(pa.table(index), tmp_path / "index.parquet")
    files = [tmp_path / name for name in ("images.npy", "index.parquet")]
    manifest = {
        "bytes": {file.name: file.stat().st_size for file in files},
        "sha256": {file.name: sha256_of(file) for file in files},
        "shape": [1],
        "class_names": ["a"],
        "domain_names": [],
    }
    write_sealed(tmp_path / "manifest.json", manifest)
    with pytest.raises(UserError, match=r"images\.npy"):
        PackedDataset.open(tmp_path)


def test_a_parquet_type_that_carries_a_pickle_is_not_unpickled(canary, tmp_path):
    # As releases of PyArrow before 14.0.1 did (CVE-2023-47248).
    about = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": pickle.dumps(Malicious(canary)),
    }
    schema = pa.schema([pa.field("label", pa.int64(), metadata=about)])
    pq.write_table(pa.table({"label": [1]}, schema=schema), tmp_path / "t.parquet")
    assert open_parquet(tmp_path / "t.parquet").read()["label"].to_pylist() == [1]
    assert pq.read_table(tmp_path / "t.parquet")["label"].to_pylist() == [1]


# --- paths


def test_a_link_among_images_is_read_as_an_image_and_nothing_is_written_through_it(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("not an image")
    for split in ("train", "test"):
        folder = tmp_path / "images" / split / "a"
        folder.mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(folder / "1.png")
    (tmp_path / "images" / "train" / "a" / "2.png").symlink_to(secret)
    dataset = read_folder(tmp_path / "images", ())
    assert [len(table) for table in dataset.train] == [2]  # packing says which of them is no image
    assert secret.read_text() == "not an image"


@pytest.mark.parametrize("name", ["../../escaped.safetensors", "a/../../../escaped.safetensors"])
def test_a_mirror_is_never_written_outside_its_folder(tmp_path, name):
    destination = tmp_path / "deep" / "mirror"
    study = SimpleNamespace(mirror=None)
    assert "not mirrored" in mirror._weights(study, {"file": name}, destination)
    assert not list(tmp_path.rglob("*escaped*"))


# --- what the tree holds


def sources():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        path = ROOT / name
        ours = name.startswith(("src/", "workflow_scripts/", "docs/", "rules/", "Snakefile", ".ci/"))
        if ours and path.suffix in (".py", ".smk", "") and path.is_file():
            yield name, path.read_text()


FORBIDDEN = {
    "a shell of its own": r"shell\s*=\s*True|os\.system|os\.popen|subprocess\.getoutput",
    "a pickle": r"pickle\.loads?\b|joblib|dill|shelve|marshal|allow_pickle\s*=\s*True|read_pickle",
    "a checkpoint of more than tensors": r"torch\.load\((?![^\n]*weights_only=True)|weights_only\s*=\s*False",
    "text as code": r"(?<![\w.])(eval|exec)\(|trust_remote_code\s*=\s*T",
    "a YAML loader that makes objects": r"yaml\.(unsafe_|full_)?load\((?!text, Loader=_Loader)",
    "an archive": r"extractall|unpack_archive|\bzipfile\b|\btarfile\b",
}  # fmt: skip


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_in_the_tree_runs_what_a_file_says(what):
    found = {name: match[0] for name, text in sources() if (match := re.search(FORBIDDEN[what], text))}
    assert not found


# Placeholders that a shell may see as they are: digits, hexadecimal digits, and names of ours.
PLAIN = {
    "{threads}", "{wildcards.dataset}", "{resources.pack_up_to}", "{resources.device}", "{params.code}",
    "{params.digest}", "{params.size}", "{params.resize}", "{params.interpolation}", "{params.bootstrap}",
    "{params.seed}", "{params.confidence}", "{params.figure}", "{params.table}",
}  # fmt: skip


def test_rules_quote_whatever_params_decide():
    commands = [
        (path.name, block)
        for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
        for block in re.findall(r'shell:\n((?:\s+[rf]*"[^\n]*\n)+)', path.read_text())
    ]
    assert len(commands) > 10
    for name, command in commands:
        for placeholder in re.findall(r"\{[^}]*\}", command):
            assert placeholder.endswith(":q}") or placeholder in PLAIN, (name, placeholder)


def test_dvc_puts_no_params_into_its_commands():
    assert "${" not in (ROOT / "dvc.yaml").read_text()


# --- shells


def own_backbone(arguments, weights):
    form = {"image_size": 16, "resize": "squash", "mean": [0.5] * 3, "std": [0.5] * 3}
    return {
        "model": "vit_tiny_patch16_224",
        "arguments": arguments,
        "weights": {"file": str(weights)},
        **form,
    }


def test_shell_syntax_in_paths_and_words_reaches_the_programs_as_it_is(tmp_path):
    project = Project(tmp_path / "project")
    images, weights = project.folder / SHELL, project.folder / f"{SHELL}.safetensors"
    for index, name in enumerate(
        ["train/a/1", "train/a/2", "train/b/1", "train/b/2", "test/a/1", "test/b/1"]
    ):
        path = images / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 40 * index).save(path)
    arguments = {"img_size": 16, "patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 2}
    save_file(timm.create_model("vit_tiny_patch16_224", num_classes=2, **arguments).state_dict(), weights)
    project.edit(
        {
            "study": {"title": SHELL, "datasets": ["mine"], "backbones": ["own"], "probes": ["clean"]},
            "datasets": {"mine": {"folder": str(images), "licence": SHELL}},
            "backbones": {"own": own_backbone(arguments, weights)},
            "probes": {"clean": {"kind": "clean"}},
        }
    )
    made = ["data/packed/mine@16-squash/manifest.json", "results/tiny/backbones/own/backbone.json"]
    result = project.snakemake("--cores", "1", *made)
    assert result.returncode == 0, result.stderr
    assert json.loads((project.folder / "data/raw/mine/source.json").read_text())["licence"] == SHELL
    assert json.loads((project.folder / made[1]).read_text())["source"] == str(weights)
    assert not list(tmp_path.rglob("canary"))


@pytest.mark.parametrize("name", [SHELL, "x$(touch canary)", "x`touch canary`", "tiny\n", "../x", "x y"])
def test_a_study_of_such_a_name_is_refused(name):
    params = load_params([ROOT / "params.yaml"])
    with pytest.raises(UserError, match=r"study\.name"):
        check_params(params | {"study": params["study"] | {"name": name}})


STUB = """#!/bin/sh
printf '%s\\n' "$@" >> words
"""
NAMES = [
    *(
        "x;touch canary",
        "x`touch canary`",
        "x' ; touch canary; '",
        'x" ; touch canary; "',
        "x & touch canary",
    ),
    *(
        "x|touch canary",
        "$(touch canary)",
        "$(shell touch canary)",
        "$$(touch canary)",
        "${shell touch canary}",
    ),
]


@pytest.mark.parametrize("name", NAMES)
def test_make_runs_nothing_that_a_name_says(tmp_path, name):
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for file in ("pyproject.toml", "uv.lock", ".venv/installed"):
        (tmp_path / file).touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    for program in ("python", "snakemake", "dvc"):
        stub = tmp_path / ".venv/bin" / program
        stub.write_text(STUB)
        stub.chmod(0o755)
    rules = (tmp_path / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+): .*##", rules, re.M)) - {"test", "faults", "lint", "format", "docs"}
    assert {"figures", "status", "plan", "mirror", "tune", "repro", "compare"} <= targets
    variables = [f"{variable}={name}" for variable in ("STUDY", "DEVICE", "DEST", "A", "B")]
    for target in targets:
        subprocess.run(["make", target, *variables], cwd=tmp_path, capture_output=True)
    assert not (tmp_path / "canary").exists()
    words = (tmp_path / "words").read_text().splitlines() if (tmp_path / "words").exists() else []
    assert ({name, f"studies/{name}.yaml"} <= set(words)) == ("$" not in name)


# --- known vulnerabilities


def audit():
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_audit_fails_for_a_known_vulnerability_and_says_when_nobody_could_be_asked(monkeypatch, capsys):
    advisory = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1"]}
    bad = {"name": "a", "version": "2.0", "vulns": [advisory]}
    good = {"name": "b", "version": "1", "vulns": []}
    absent = {"name": "c", "skip_reason": "not found"}
    module = audit()
    assert module.judge([bad, good, absent]) == (
        ["a 2.0: PYSEC-1, mended in 2.1", "2 packages looked up, 1 unknown to the index, 1 advisories"],
        1,
    )
    assert module.judge([good])[1] == 0
    lines, status = module.judge([absent])
    assert status == 0 and lines[0].startswith("skipped")
    monkeypatch.setattr(module, "HARMLESS", {"CVE-1": "we never call it"})
    assert module.judge([bad])[1] == 0
    monkeypatch.setattr(module, "look_up", lambda group: "connection refused")
    assert module.main() == 0
    assert capsys.readouterr().out == "skipped: no advisories in reach (connection refused)\n"
