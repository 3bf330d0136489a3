"""Whatever is killed, and whenever: the same command ends with the same bits, and little is done twice.

In the default suite test_killed_jobs.py kills jobs alone, and test_workflow.py one of a whole study.
"""

import os
import shutil

import pytest

from tests.faults.disturbed import Scene
from tests.faults.kills import EVERY, Record, killed_again_and_again, plan, undisturbed
from tests.workflow import content

pytestmark = pytest.mark.skipif(os.environ.get("TRADEOFF_FAULTS") != "full", reason="minutes: `make faults`")
SEED = int(os.environ.get("TRADEOFF_FAULTS_SEED", "0"))
MAKE = ["make", "--silent", "--old-file=.venv/installed"]
DVC_STARTS = 2.0  # processor seconds, about

# Whom to kill during what, and how often: in the order in which these come by. Two of each list may be missed: a job
# that is left to itself may end before its moment comes.
OF_SNAKEMAKE = {
    ("everything", "snakemake"): 1,  # while it plans
    ("job", "fetch_dataset"): 1,
    ("job", "pack_dataset"): 1,
    ("everything", "pack_dataset"): 1,
    ("everything", "pretrain_backbone"): 1,
    ("job", "fine_tune"): 3,
    ("everything", "fine_tune"): 2,
    ("snakemake", "fine_tune"): 1,
    ("job", "probe"): 1,
    ("everything", "probe"): 2,
    ("snakemake", "probe"): 1,
}  # 15
OF_FIGURES = {
    ("everything", "check_study"): 1,
    ("everything", "gather"): 1,
    ("job", "pareto_auc"): 1,
    ("snakemake", "draw_figure"): 1,
    ("job", "draw_figure"): 2,
    ("everything", "draw_figure"): 2,
    ("everything", "write_explorer"): 1,
    ("everything", "seal_report"): 1,
}  # 10
OF_DVC = {
    ("dvc", "dvc"): 1,
    ("everything", "dvc"): 1,
    ("everything", "fine_tune"): 2,
    ("everything", "probe"): 1,
    ("dvc", "probe"): 1,
    ("everything", "draw_figure"): 1,
    ("dvc", "draw_figure"): 1,
}  # 8


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The study undisturbed, and the processor seconds that each kind of process took."""
    scene = Scene(tmp_path_factory.mktemp("calm") / "project")
    return scene, undisturbed(scene, *MAKE, "figures") | {"dvc": DVC_STARTS}


@pytest.fixture
def report(capsys):
    """A record that is printed at the end, however that comes."""
    record = Record()
    yield record
    with capsys.disabled():
        print(f"\n{record}")


def with_parts_of(calm, scene, *parts):
    """The scene, where Snakemake has made these parts of the study before."""
    for part in ("data", ".snakemake"):
        shutil.copytree(calm[0].folder / part, scene.folder / part)
    for part in parts:
        shutil.copytree(calm[0].outcome / part, scene.outcome / part)
    return scene


def survive(scene, command, counts, calm, record):
    """Make the study with these kills in its way; compare and count."""
    undisturbed_scene, needs = calm
    missed = killed_again_and_again(scene, command, plan(counts, SEED), needs, record)
    made, expected = content(scene.outcome), content(undisturbed_scene.outcome)
    assert {name: made.get(name) for name in expected} == expected
    assert all(name.startswith("memory/") for name in made.keys() - expected.keys())  # DVC's
    assert scene.processes() == []  # no orphan stays
    assert len(missed) <= 2, f"their moments never came: {missed}"
    assert max(record.steps, default=0) <= EVERY
    assert max(record.snapshots, default=0) <= 1
    assert record.jobs == []


def test_snakemake_survives_kills_of_fetching_packing_fine_tuning_and_probing(calm, tmp_path, report):
    survive(Scene(tmp_path / "project"), ["snakemake"], OF_SNAKEMAKE, calm, report)


def test_make_figures_survives_kills_of_collecting_and_plotting(calm, tmp_path, report):
    scene = with_parts_of(calm, Scene(tmp_path / "project"), "backbones", "runs", "probes")
    survive(scene, [*MAKE, "figures"], OF_FIGURES, calm, report)


def test_make_repro_survives_kills_of_dvc(calm, tmp_path, report):
    scene = with_parts_of(calm, Scene(tmp_path / "project"), "backbones")
    assert scene.run("dvc", "init", "--no-scm").returncode == 0
    survive(scene, [*MAKE, "repro"], OF_DVC, calm, report)
