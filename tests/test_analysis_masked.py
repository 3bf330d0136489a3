"""Black-box probes against white-box probes of the same run."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_results import seal_run, write_study

from tradeoff.analysis.gather import gather, write_gathered
from tradeoff.analysis.masked import masked
from tradeoff.analysis.study_file import read_study
from tradeoff.seals import read_sealed, write_sealed

RUN = "digits/tiny_vit/lora/standard/seed0"


def row(probe: str, threat: str, correct: int, **other: Any) -> dict[str, Any]:
    common = {"step": 6, "test_set": "digits", "epsilon": 4 / 255, "n": 1000}
    return common | {"probe": probe, "threat": threat, "correct": correct} | other


def test_a_black_box_probe_that_finds_more_than_the_white_box_ones_is_flagged_in_words() -> None:
    found = masked([row("pgd", "pgd linf", 500), row("queries", "square linf", 400)])
    assert found == [
        {
            "probe": "queries",
            "flag": "step 6: the black-box attack leaves 400/1000 robust at epsilon 4/255, the strongest"
            " white-box probe, pgd, 500/1000: suspect masked gradients",
        }
    ]


@pytest.mark.parametrize(("correct", "flags"), [(498, 0), (497, 1)])
def test_the_limit_is_a_fifth_of_a_percent_of_the_samples(correct: int, flags: int) -> None:
    assert len(masked([row("pgd", "pgd linf", 500), row("queries", "square linf", correct)])) == flags


def test_the_strongest_white_box_probe_decides() -> None:
    rows = [row("pgd", "pgd linf", 500), row("apgd", "apgd linf", 390), row("queries", "square linf", 400)]
    assert masked(rows) == []


@pytest.mark.parametrize(
    "other",
    [{"step": 3}, {"test_set": "cars"}, {"epsilon": 2 / 255}, {"n": 999}, {"threat": "pgd l2"}],
    ids=lambda other: next(iter(other)),
)
def test_only_the_same_snapshot_samples_and_ball_are_compared(other: dict[str, Any]) -> None:
    assert masked([row("pgd", "pgd linf", 500) | other, row("queries", "square linf", 400)]) == []


def test_one_step_clean_rows_and_corruptions_are_no_comparison() -> None:
    rows = [
        row("fgsm", "fgsm linf", 900),
        row("pgd", "none", 950, epsilon=0.0),
        row("common", "fog", 940, epsilon=None),
        row("queries", "square linf", 400),
    ]
    assert masked(rows) == []


def test_too_few_samples_prove_nothing() -> None:
    assert masked([row("pgd", "pgd linf", 19, n=19), row("queries", "square linf", 0, n=19)]) == []


def test_gathering_puts_the_flag_into_flags_json(tmp_path: Path) -> None:
    write_study(tmp_path, strategies=("full", "lora"), n=40, shifts=(), corruptions=())
    study = tmp_path / "study.json"
    plan = read_sealed(study)
    folder = tmp_path / "probes" / RUN
    table = pq.read_table(folder / "pgd.parquet")
    identity = json.loads(table.schema.metadata[b"identity"])
    # A second probe of the same run, under which nothing is robust.
    rows = table.to_pylist()
    for each in rows:
        if each["epsilon"]:
            each |= {"threat": each["threat"].replace("pgd", "square"), "correct": 0, "probe": "queries"}
    metadata = {b"identity": json.dumps(identity).encode(), b"flags": b"[]"}
    pq.write_table(
        pa.Table.from_pylist(rows, table.schema).replace_schema_metadata(metadata), folder / "queries.parquet"
    )
    outcomes = (folder / "pgd.outcomes.safetensors").read_bytes()
    (folder / "queries.outcomes.safetensors").write_bytes(outcomes)
    run = next(run for run in plan["runs"] if run["run"] == RUN)
    run["probes"]["queries"] = run["probes"]["pgd"]
    run["probe_code"]["queries"] = run["probe_code"]["pgd"]
    write_sealed(study, plan)
    seal_run(tmp_path, run)
    write_gathered(gather(read_study(study), tmp_path), tmp_path / "tables", "c0de")
    flags = json.loads((tmp_path / "tables" / "flags.json").read_text())
    assert flags
    assert {(flag["run"], flag["probe"]) for flag in flags} == {(RUN, "queries")}
    assert all("suspect masked gradients" in flag["flag"] for flag in flags)
