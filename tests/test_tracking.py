"""The stages through which DVC versions a study: complete, disjoint, and never such that DVC deletes results."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow import ROOT
from tradeoff import tracking
from tradeoff.data.registry import modules
from tradeoff.errors import UserError
from tradeoff.fingerprint import PACKAGES, closure
from tradeoff.params import load_params
from tradeoff.params.yaml_files import merge, read_yaml
from tradeoff.seals import write_sealed
from tradeoff.study import Study
from workflow_scripts import track

TINY = str(ROOT / "tests" / "studies" / "tiny.yaml")


def study(*overlays: str, **changes: object) -> Study:
    return Study(load_params([ROOT / "params.yaml", *overlays], overrides=changes, tuned=False))


def outs(stages: dict) -> list[str]:
    return [next(iter(out)) for stage in stages.values() for out in stage["outs"] + stage.get("metrics", [])]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the params of the default study and of `tiny`, which alone is read there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "tiny.yaml").write_text(Path(TINY).read_text())
    return tmp_path


def test_the_committed_stages_are_those_of_the_default_study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    track.main(["--check", "params.yaml"])


def test_every_output_persists_since_dvc_would_delete_it_before_a_rerun() -> None:
    for file in ("dvc.yaml", "data/dvc.yaml"):
        for stage in read_yaml(ROOT / file)["stages"].values():
            for out in stage["outs"] + stage.get("metrics", []):
                assert list(out.values()) == [{"persist": True}]


def test_studies_share_datasets_and_nothing_else() -> None:
    default, tiny = study(), study(TINY)
    apart = outs(tracking.study_stages(default, [])["stages"]) + outs(
        tracking.study_stages(tiny, [TINY])["stages"]
    )
    shared = tracking.data_stages(default, [], default) | tracking.data_stages(tiny, [TINY], default)
    assert len(outs(shared)) == len(set(outs(shared)))
    places = [*apart, *outs(shared)]
    assert not [(a, b) for a in places for b in places if a != b and b.startswith(f"{a}/")]
    assert len(places) == len(set(places))
    assert tracking.data_stages(tiny, [TINY], default) == tracking.data_stages(default, [], default)


def test_a_dataset_that_a_study_defines_depends_on_that_study(project: Path) -> None:
    definition = {"digits": {"revision": "a" * 40}}
    file = project / "studies" / "tiny.yaml"
    file.write_text(yaml.safe_dump(merge([read_yaml(file), {"datasets": definition}])))
    params = load_params(["params.yaml", "studies/tiny.yaml"])
    stages = tracking.data_stages(Study(params), ["studies/tiny.yaml"], Study(load_params(["params.yaml"])))
    assert {"studies/tiny.yaml": None} in stages["digits"]["params"]
    assert "--configfile studies/tiny.yaml" in stages["digits"]["cmd"]
    assert "--configfile" not in stages["glyphs"]["cmd"]


def test_what_dvc_counts_as_code_covers_all_that_snakemake_counts() -> None:
    """A change that concerns Snakemake but not DVC would go unrecorded."""
    scripts = ("workflow_scripts.fetch_dataset", "workflow_scripts.pack_dataset")
    for module in closure((*scripts, *modules("digits"), *modules("cifar10"))):
        package, _, rest = module.partition(".")
        path = (PACKAGES[package] / rest.replace(".", "/")).relative_to(ROOT)
        covered = [path.with_suffix(".py"), *path.parents, path]
        assert {str(place) for place in covered} & set(tracking.DATA_CODE), module
    params = set(tracking.ARTIFACT_PARAMS) | {"tuning"}
    assert params == set(load_params([ROOT / "params.yaml"], tuned=False))


def test_every_file_that_the_rules_make_is_versioned_by_one_stage() -> None:
    command = ["snakemake", "--dry-run", "--forceall", "--configfile", TINY]
    listed = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    made = {file for line in re.findall(r"^    output: (.*)$", listed, re.M) for file in line.split(", ")}
    assert len(made) > 50
    default, tiny = study(), study(TINY)
    stages = tracking.study_stages(tiny, [TINY])["stages"] | tracking.data_stages(tiny, [TINY], default)
    places = outs(stages)
    for file in made:
        owners = [place for place in places if file == place or file.startswith(f"{place}/")]
        assert len(owners) == 1, file
    for place in places:
        assert "/memory/" in place or [
            file for file in made if file == place or file.startswith(f"{place}/")
        ], place


def test_rules_use_nothing_of_snakemake_that_does_not_go_with_dvc() -> None:
    """Scripts that rerun by date, folders without checksums, inputs found late, updates undone on failure.

    A batch of probes updates its tables, so that those of today stay; what it has measured, it keeps elsewhere.
    """
    text = "".join(path.read_text() for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))])
    assert not re.findall(r"^\s*(?:script|notebook|checkpoint\b.*):|\bdirectory\(", text, re.M)
    assert text.count("update(") == 1
    assert "rerun-triggers" not in "".join(path.read_text() for path in (ROOT / "profiles").glob("*/*"))
    for profile in (ROOT / "profiles").glob("*/*.yaml"):
        assert read_yaml(profile)["max-checksum-file-size"] == "8GB"


def test_no_cache_type_is_set_that_writing_in_place_would_corrupt() -> None:
    assert "type" not in (ROOT / ".dvc" / "config").read_text()


def test_tracking_a_second_time_changes_nothing_and_leaves_other_datasets(project: Path) -> None:
    track.main(["params.yaml"])
    before = read_yaml("data/dvc.yaml")
    track.main(["params.yaml", "studies/tiny.yaml"])
    assert read_yaml("data/dvc.yaml") == before
    assert read_yaml("studies/tiny/dvc.yaml")["stages"]["runs"]["wdir"] == "../.."
    track.main(["--check", "params.yaml"])
    track.main(["--check", "params.yaml", "studies/tiny.yaml"])


def test_stages_that_no_longer_fit_the_study_are_refused(project: Path) -> None:
    track.main(["params.yaml"])
    file = project / "params.yaml"
    file.write_text(file.read_text().replace("resize: squash", "resize: crop", 1))
    with pytest.raises(UserError, match="make track STUDY=quickstart"):
        track.main(["--check", "params.yaml"])


def test_artifacts_that_only_seem_to_be_todays_are_refused(project: Path) -> None:
    """After `snakemake --touch` old artifacts pass for new ones; the params in study.json do not."""
    track.main(["params.yaml"])
    write_sealed("results/quickstart/study.json", study(training={"epochs": 1}).summary())
    with pytest.raises(UserError, match="other params than today's"):
        track.main(["--check", "--made", "params.yaml"])
    write_sealed("results/quickstart/study.json", study().summary())
    track.main(["--check", "--made", "params.yaml"])


def test_what_make_tune_chose_is_among_the_params(project: Path) -> None:
    (project / "studies" / "tuned").mkdir()
    (project / "studies" / "tuned" / "tiny.yaml").write_text("study: {name: tiny}\ntuned: {}\n")
    track.main(["params.yaml", "studies/tiny.yaml"])
    for stage in read_yaml("studies/tiny/dvc.yaml")["stages"].values():
        assert {"studies/tiny.yaml": None} in stage["params"]
        assert {"studies/tuned/tiny.yaml": None} in stage["params"]
