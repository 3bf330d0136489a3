"""Which datasets there are, and where each comes from."""

import subprocess
import sys

import pytest

from tradeoff.data import registry
from tradeoff.data.registry import check, check_mirror, mirror_folder, source_kind, split_reference
from tradeoff.errors import UserError


@pytest.fixture
def mirror(tmp_path):
    for name in ("cifar10", "cifar100"):
        (tmp_path / "datasets" / name).mkdir(parents=True)
        for split in ("train", "test"):
            (tmp_path / "datasets" / name / f"{split}.parquet").write_bytes(b"PAR1 some rows PAR1")
    return tmp_path


def test_importing_the_registry_and_asking_it_imports_no_heavy_library():
    code = (
        "import sys; from tradeoff.data import registry;"
        "[registry.source(name, {}) for name in registry.DATASETS];"
        "heavy = ('torch', 'pandas', 'datasets', 'matplotlib', 'pyarrow', 'sklearn');"
        "print([module for module in heavy if module in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("name", registry.DATASETS)
def test_every_entry_is_complete(name):
    source = registry.source(name, {})
    assert source.title
    assert source.licence
    assert source.citation
    assert source.classes > 1
    assert name == split_reference(name)[0]
    assert registry.modules(name) == (f"tradeoff.data.sources.{name}",)


def test_a_reference_is_a_name_or_a_name_and_a_domain():
    assert split_reference("pacs") == ("pacs", None)
    assert split_reference("pacs.art_painting") == ("pacs", "art_painting")


@pytest.mark.parametrize(
    ("name", "definitions", "domain", "words"),
    [
        ("digitz", {}, None, ["digitz", "digits"]),
        ("digitz", {"mine": {"folder": "."}}, None, ["mine"]),
        ("pacs", {}, "photos", ["photos", "sketch"]),
        ("digits", {}, "photo", ["photo", "none"]),
        ("mine", {"mine": {}}, None, ["datasets.mine", "folder", "parquet"]),
        ("mine", {"mine": {"folder": "/nowhere"}}, None, ["datasets.mine.folder", "/nowhere"]),
        ("mine", {"mine": {"parquet": {"train": "/no.parquet", "test": "/no"}}}, None, ["/no.parquet"]),
        ("mine", {"mine": {"folder": "a", "parquet": {}}}, None, ["both"]),
    ],
)
def test_a_wrong_dataset_is_refused_with_the_right_words(name, definitions, domain, words):
    with pytest.raises(UserError) as error:
        check(name, definitions, domain)
    assert all(word in str(error.value) for word in words)


def test_a_folder_of_domains_is_found_and_its_domains_are_known(tmp_path):
    for domain in ("real", "painted"):
        for split in ("train", "test"):
            (tmp_path / domain / split).mkdir(parents=True)
    definitions = {"mine": {"folder": str(tmp_path)}}
    check("mine", definitions, "painted")
    assert registry.domains("mine", definitions["mine"]) == ("painted", "real")


def test_a_dataset_comes_from_the_users_files_else_the_mirror_else_its_generator_else_the_hub(mirror):
    assert source_kind("cifar10", {"folder": "x"}, mirror) == "folder"
    assert source_kind("cifar10", {"parquet": {}}, mirror) == "parquet"
    assert source_kind("cifar10", {}, mirror) == "mirror"
    assert source_kind("digits", {}, mirror) == "generated"
    assert source_kind("cifar10", {"revision": "0" * 40}, None) == "hub"
    with pytest.raises(UserError, match=r"pacs.*no such folder"):
        source_kind("pacs", {}, mirror)


def test_all_faults_of_a_mirror_are_named_at_once(mirror):
    (mirror / "datasets/cifar10/test.parquet").write_bytes(b"PAR1 some ro")
    (mirror / "datasets/cifar100/train.parquet").unlink()
    with pytest.raises(UserError) as error:
        check_mirror(["cifar10", "cifar100", "pacs", "digits", "mine"], {"mine": {"folder": "x"}}, mirror)
    line = str(error.value)
    for fault in (
        "cifar10/test.parquet cut short",
        "cifar100/train.parquet missing",
        "pacs/train.parquet missing",
        "pacs/test.parquet missing",
    ):
        assert fault in line
    assert "\n" not in line
    assert not any(name in line for name in ("digits", "mine", "cifar10/train", "cifar100/test"))


def test_a_whole_mirror_passes(mirror):
    check_mirror(["cifar10", "cifar100", "digits"], {}, mirror)


def test_the_mirror_is_that_of_params_else_of_the_environment(mirror, monkeypatch, tmp_path):
    monkeypatch.delenv("TRADEOFF_MIRROR", raising=False)
    assert mirror_folder(None) is None
    monkeypatch.setenv("TRADEOFF_MIRROR", str(tmp_path / "absent"))
    assert mirror_folder(str(mirror)) == mirror
    with pytest.raises(UserError, match="TRADEOFF_MIRROR"):
        mirror_folder(None)
    with pytest.raises(UserError, match=r"data\.mirror"):
        mirror_folder("nowhere")
