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

# Whom to kill during what, and how often: in the order in which these come by.
OF_SNAKEMAKE = {
    ("job", "fetch_dataset"): 1,
    ("everything", "snakemake"): 1,  # while it plans
    ("job", "pack_dataset"): 2,
    ("job", "pretrain_backbone"): 1,
    ("everything", "pretrain_backbone"): 1,
    ("job", "fine_tune"): 5,
    ("snakemake", "fine_tune"): 2,
    ("everything", "fine_tune"): 2,
    ("job", "probe"): 3,
    ("snakemake", "probe"): 2,
    ("everything", "probe"): 1,
    ("job", "pareto_auc"): 1,
    ("job", "draw_figure"): 2,
    ("snakemake", "draw_figure"): 1,
}  # 25
OF_DVC = {
    ("dvc", "fine_tune"): 2,
    ("everything", "probe"): 1,
    ("dvc", "draw_figure"): 1,
    ("everything", "draw_figure"): 1,
}  # 5


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The study undisturbed, and the processor seconds that each kind of process took."""
    scene = Scene(tmp_path_factory.mktemp("calm") / "project")
    return scene, undisturbed(scene, "snakemake")


@pytest.fixture
def report(capsys):
    """A record that is printed at the end, however that comes."""
    record = Record()
    yield record
    with capsys.disabled():
        print(f"\n{record}")


def survive(prepare, command, kills, calm, record):
    """Make the study with these kills in as many goes as they need; compare and count."""
    undisturbed_scene, needs = calm
    expected = content(undisturbed_scene.outcome)
    for go in range(5):
        scene = prepare(str(go))
        kills = killed_again_and_again(scene, command, kills, needs, record)
        assert content(scene.outcome) == expected
        assert scene.processes() == []  # no orphan stays
        if not kills:
            break
    assert kills == [], "their moments never came"
    assert max(record.steps, default=0) <= EVERY
    assert max(record.snapshots, default=0) <= 1
    assert record.jobs == []


def test_the_same_snakemake_command_survives_kills(calm, tmp_path, report):
    survive(lambda go: Scene(tmp_path / go), ["snakemake"], plan(OF_SNAKEMAKE, SEED), calm, report)


def test_make_repro_survives_kills_of_dvc(calm, tmp_path, report):
    def prepare(go):
        """A repository where Snakemake has made the data and the backbone, and DVC does not know yet."""
        scene = Scene(tmp_path / go)
        for part in ("data", ".snakemake"):
            shutil.copytree(calm[0].folder / part, scene.folder / part)
        shutil.copytree(calm[0].outcome / "backbones", scene.outcome / "backbones")
        assert scene.run("dvc", "init", "--no-scm").returncode == 0
        return scene

    command = ["make", "--silent", "--old-file=.venv/installed", "repro"]
    survive(prepare, command, plan(OF_DVC, SEED), calm, report)
