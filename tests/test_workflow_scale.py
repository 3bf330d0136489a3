"""Large studies are planned in time: the papers', and one of a thousand runs."""

import resource

from tests.workflow import Project


def test_the_iccv_study_is_planned_in_seconds(tmp_path):
    project = Project(tmp_path / "project")
    started = _processor_seconds()
    planned = project.planned(study="studies/iccv2025.yaml")
    assert _processor_seconds() - started < 20
    assert planned["fine_tune"] == 11 * 7
    assert planned["probe"] == 11 * 7 + 6 * 7  # a threat everywhere, and a shift from each of six domains
    assert planned["pack_dataset"] == 6


def test_the_time_to_plan_grows_with_the_runs_and_no_faster(tmp_path):
    """A fifth of 5,000 runs has to be planned in a fifth of 90 s and 2 GB; measured, about 7 s and 0.2 GB."""
    project = Project(tmp_path / "project")
    project.edit({"study": {"strategies": ["linear"], "seeds": list(range(1000))}})
    started = _processor_seconds()
    assert project.planned()["fine_tune"] == 1000
    assert _processor_seconds() - started < 18
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 400_000  # KiB


def _processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
