"""The studies of the papers' sweeps ask for what the papers have."""

from pathlib import Path

import pandas as pd
import pytest

from tradeoff import published
from tradeoff.analysis.cells import CELL
from tradeoff.analysis.ramps import ramp_times
from tradeoff.artifacts import FIGURES, TABLES, available
from tradeoff.params import load_params
from tradeoff.study import Study

ROOT = Path(__file__).parents[1]


def study(name: str) -> Study:
    return Study(load_params([ROOT / "params.yaml", ROOT / "studies" / f"{name}.yaml"]))


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_study_is_called_as_its_file(path: Path) -> None:
    assert load_params([ROOT / "params.yaml", path])["study"]["name"] == path.stem


def test_the_ramps_are_those_of_table_7_at_both_sizes() -> None:
    made = study("iclr2026_ramps").summary()
    runs = pd.DataFrame(made["runs"])
    times = ramp_times(made, runs).rename(columns={"objective_epsilon": "epsilon_g"})
    keys = [*CELL, "epsilon_g", "t1", "t2"]
    asked, printed = (
        {
            (*row[:3], *(round(float(value), 9) for value in row[3:]))
            for row in table[keys].itertuples(index=False)
        }
        for table in (times, published.schedule_results())
    )
    assert asked == printed
    assert len(runs) == len(printed) == 30
    assert "ramps" in available(made, FIGURES)
    assert "ramp_results" in available(made, TABLES)


def test_autoattack_meets_every_cell_of_table_6() -> None:
    made = study("iclr2026_autoattack").summary()
    found = {
        (
            attack,
            run["dataset"],
            run["backbone"],
            run["strategy"],
            run["objective_family"],
            run["objective_epsilon"],
        )
        for run in made["runs"]
        for probe in run["probes"]
        for attack in [made["params"]["probes"][probe]["attack"]]
        if run["objective_epsilon"]
    }
    columns = ["attack", *CELL, "method", "epsilon_g"]
    assert found == {tuple(row) for row in published.autoattack_results()[columns].itertuples(index=False)}


def test_the_sweeps_and_the_main_study_together_are_as_many_models_as_the_paper_counts() -> None:
    def what(name: str) -> set[str]:
        kept = ("dataset", "backbone_spec", "strategy_spec", "objective_spec", "training", "seed")
        return {str([run.spec[key] for key in kept]) for run in study(name).runs.values()}

    main, sweeps = what("iccv2025"), what("iccv2025_sweeps")
    assert len(main & sweeps) == 22  # the two variants in the middle, on eleven training sets
    assert len(main | sweeps) == 231


@pytest.mark.parametrize("name", ["sweep_small", "iccv2025_sweeps"])
def test_a_sweep_has_the_artifacts_of_variants(name: str) -> None:
    made = study(name).summary()
    assert {"variant_frontiers", "variant_trajectories"} <= set(available(made, FIGURES))
    assert "variant_auc" in available(made, TABLES)
