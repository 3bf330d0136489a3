"""The papers' studies are planned whole; how long that takes is in benchmarks/planning.py."""

from tests.workflow import Project


def test_the_iccv_study_has_a_run_for_every_strategy_and_probes_for_every_domain(tmp_path):
    planned = Project(tmp_path / "project").planned(study="studies/iccv2025.yaml")
    assert planned["fine_tune"] == 11 * 7
    assert planned["probe"] == 11 * 7 + 6 * 7  # a threat everywhere, and a shift from each of six domains
    assert planned["pack_dataset"] == 6
