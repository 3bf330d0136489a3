"""Whatever is written into params.yaml is accepted rightly or refused in one line that names the key.

`make faults` tries 300 mutations, `make test` some of them.
"""

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.faults.mutations import UNREADABLE, Mutation, mutation
from tests.workflow import Project
from tradeoff.artifacts import FIGURES, TABLES, available
from tradeoff.data.registry import mirror_folder
from tradeoff.errors import UserError
from tradeoff.files import canonical_json, read_json
from tradeoff.params import load_params
from tradeoff.params.yaml_files import read_yaml
from tradeoff.study import Study

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "params.yaml").read_text()
PARAMS = read_yaml(ROOT / "params.yaml")
FULL = os.environ.get("TRADEOFF_FAULTS") == "full"
COMMANDS = [
    ["python", "-m", "workflow_scripts.check_study", "params.yaml"],
    ["snakemake", "--dry-run", "--quiet"],
]
SECONDS = 2.0  # of processor time; the longest is a file of 100,000 brackets


def resolved(file: Path) -> Study:
    """What the workflow asks of params before anything runs."""
    params = load_params([file])
    study = Study(params, mirror_folder(params["data"]["mirror"]))
    canonical_json(study.summary())
    canonical_json(study.tuning())
    for run in study.runs.values():
        for probe in study.probes_of(run):
            study.probe_digest(run, probe)
    available(study.summary(), FIGURES), available(study.summary(), TABLES)
    return study


@pytest.mark.parametrize("number", range(300 if FULL else 60))
def test_a_mutation_is_accepted_rightly_or_refused_in_one_line_that_names_the_key(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRADEOFF_MIRROR", raising=False)
    case = mutation(number, TEXT, PARAMS)
    file = tmp_path / "params.yaml"
    file.write_bytes(case.content)
    started = time.process_time()
    try:
        resolved(file)
        refusal = None
    except UserError as error:
        refusal = error
    assert time.process_time() - started < SECONDS
    print(number, case.done, case.path, "->", refusal)
    if refusal is None:
        means = read_yaml(file)
        assert case.meaning is None or same(means, case.meaning)
        assert not list(wrong(means))
    else:
        assert_names_its_place(refusal, case)
        if case.meaning is not UNREADABLE and case.meaning is not None:
            assert list(wrong(case.meaning))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize("number", range(0, 300, 30) if FULL else [72])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_commands_that_users_type_say_the_same(project: Project, command: list[str], number: int) -> None:
    file = project.folder / "params.yaml"
    file.write_bytes(mutation(number, TEXT, PARAMS).content)
    try:
        resolved(file)
        expected = None
    except UserError as error:
        expected = str(error).removeprefix(f"{project.folder}/")
    result = project.run(*command)
    assert "Traceback" not in result.stderr + result.stdout
    if expected is None:
        assert result.returncode == 0, result.stderr
    else:
        assert result.returncode == 1
        assert f"error: {expected}" in (result.stderr + result.stdout).splitlines()


def assert_names_its_place(refusal: UserError, case: Mutation) -> None:
    """One printable line, not a page, that names the key (or the one it is in), or the line of the file."""
    line = str(refusal)
    assert line.isprintable() and len(line) < 1000, line
    if case.path:
        assert ", line " in line or any(str(part) in line for part in case.path[-2:]), line


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types: True is not 1, and 1 is not 1.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def wrong(params: Any) -> Iterator[str]:
    """What is wrong with params: by the schema, and by rules written a second time here."""
    validator = jsonschema.Draft202012Validator(read_json(ROOT / "schemas" / "params.schema.json"))
    faults = [error.json_path for error in validator.iter_errors(params)]
    yield from faults
    if faults:
        return
    yield from (
        f"{str(number)[:9]} is no number to compute with" for number in numbers(params) if not usable(number)
    )
    yield from (f"{text!r:.20} is more than a line" for text in texts(params) if not plain(text))
    for section in ("backbones", "strategies", "objectives", "probes"):
        yield from set(params["study"][section]) - set(params[section])
    for recipe in (params["training"], params["pretraining"]):
        if recipe["warmup"] > 1 and recipe["warmup"] % 1:
            yield "warmup is neither a share nor a number of steps"
    steps = [entry.get("until", math.inf) for entry in params["probe_schedule"]]
    if steps != sorted(set(steps)) or math.inf in steps[:-1]:
        yield "probe_schedule does not rise"


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def texts(value: Any) -> Iterator[str]:
    """Every word, and every key."""
    if isinstance(value, dict):
        yield from value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def plain(text: str) -> bool:
    return len(text.splitlines()) <= 1 and text.splitlines() in ([], [text]) and "\0" not in text


def usable(number: float) -> bool:
    return abs(number) < 2**63 and math.isfinite(number)
