"""Whatever is killed, and whenever: the same command ends with the same bits, and little is done twice.

In the default suite test_killed_jobs.py kills jobs alone, and test_workflow.py one of a whole study.
"""

import os
import shutil
from itertools import count

import pytest

from tests.faults.disturbed import Scene
from tests.faults.kills import EVERY, Record, killed_again_and_again, plan, undisturbed
from tests.workflow import content

pytestmark = pytest.mark.skipif(os.environ.get("TRADEOFF_FAULTS") != "full", reason="minutes: `make faults`")
SEED = int(os.environ.get("TRADEOFF_FAULTS_SEED", "0"))
MAKE = ["make", "--silent", "--old-file=.venv/installed"]
DVC_STARTS = 2.0  # processor seconds, about

# Whom to kill during what, and how often: in the order in which these come by. A job that is left to itself may end
# before its moment comes; then another study meets the kills that are left, until these are two or fewer.
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


def survive(scenes, command, counts, calm, record):
    """Make studies with these kills in their way; compare and count. scenes: each to make one in."""
    undisturbed_scene, needs = calm
    kills = plan(counts, SEED)
    while len(kills) > 2:
        scene = next(scenes)
        missed = killed_again_and_again(scene, command, kills, needs, record)
        made, expected = content(scene.outcome), content(undisturbed_scene.outcome)
        assert {name: made.get(name) for name in expected} == expected
        assert all(name.startswith("memory/") for name in made.keys() - expected.keys())  # DVC's
        assert scene.processes() == []  # no orphan stays
        assert len(missed) < len(kills), f"their moments never came: {missed}"
        kills = missed
    assert max(record.steps, default=0) <= EVERY
    assert max(record.snapshots, default=0) <= 1
    assert record.jobs == []


def test_snakemake_survives_kills_of_fetching_packing_fine_tuning_and_probing(calm, tmp_path, report):
    scenes = (Scene(tmp_path / f"project{number}") for number in count())
    survive(scenes, ["snakemake"], OF_SNAKEMAKE, calm, report)


def test_make_figures_survives_kills_of_collecting_and_plotting(calm, tmp_path, report):
    def scenes():
        for number in count():
            scene = Scene(tmp_path / f"project{number}")
            yield with_parts_of(calm, scene, "backbones", "runs", "probes")

    survive(scenes(), [*MAKE, "figures"], OF_FIGURES, calm, report)


def test_make_repro_survives_kills_of_dvc(calm, tmp_path, report):
    def scenes():
        for number in count():
            scene = with_parts_of(calm, Scene(tmp_path / f"project{number}"), "backbones")
            assert scene.run("dvc", "init", "--no-scm").returncode == 0
            yield scene

    survive(scenes(), [*MAKE, "repro"], OF_DVC, calm, report)
