"""From params files to checked params: the strict schema, and what a schema cannot say."""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from tradeoff.errors import UserError
from tradeoff.files import read_json
from tradeoff.params.epsilon import parse_epsilon
from tradeoff.params.mistakes import first_mistake, shown
from tradeoff.params.yaml_files import merge, read_yaml

SCHEMA_FILE = Path(__file__).parents[3] / "schemas" / "params.schema.json"

LARGEST = 2**63
NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}  # Unicode's control characters, halves of surrogate pairs, and line breaks

Params = dict[str, Any]


def load_params(
    files: Sequence[str | Path], overrides: Params | None = None, *, tuned: bool = True
) -> Params:
    """Read params.yaml and the overlays after it, and `overrides` last; return them merged and checked.

    UserError names the file and the key of the first mistake. An overlay has to state `study.name`, so
    that two studies never share a results folder.
    tuned: read the section `tuned` that `make tune` wrote for the last of the files, too.
    """
    contents = {str(file): read_yaml(file) for file in files}
    found = tuned_file(files[-1])
    if tuned and found.is_file():
        contents |= {str(found): read_yaml(found)}
    params = merge([*contents.values(), overrides or {}])
    first = next(iter(contents))
    for file, content in list(contents.items())[1:]:
        if content and not _value_at(content, ["study", "name"]):
            raise UserError(
                f"{file}: study.name",
                "nothing",
                "a name of this study's own",
                "its results go to results/<name>",
            )
    try:
        check_params(params)
    except UserError as error:
        path = error.where.split(".")
        sources = [file for file, content in contents.items() if _value_at(content, path) is not None]
        raise UserError(
            f"{(sources or [first])[-1]}: {error.where}", error.found, error.expected, error.do
        ) from None
    return params


def tuned_file(study_file: str | Path) -> Path:
    """Return where `make tune` writes what it chose for a study: tuned/<name of its file>, beside it."""
    return Path(study_file).parent / "tuned" / Path(study_file).name


def check_params(params: Params) -> None:
    """Check merged params against the schema and against themselves; UserError names the key."""
    errors = list(_validator().iter_errors(params))
    if errors:
        raise first_mistake(errors)
    _check_values(params)
    _check_names(params)
    _check_warmup(params)
    _check_probe_schedule(params["probe_schedule"])
    for name, probe in params["probes"].items():
        _check_epsilons(f"probes.{name}.epsilons", probe.get("epsilons"))
    for name, objective in params["objectives"].items():
        _check_epsilons(f"objectives.{name}.sweep.epsilon", objective.get("sweep", {}).get("epsilon"))
        if "epsilon" in objective:
            _epsilon(f"objectives.{name}.epsilon", objective["epsilon"], "standard fine-tuning has none")
    validation = params["robust_validation"]
    if validation is not None and validation["epsilon"] is not None:
        _epsilon("robust_validation.epsilon", validation["epsilon"], "null stands for the objective's own")


@cache
def _validator() -> Any:
    return jsonschema.Draft202012Validator(read_json(SCHEMA_FILE))


def _value_at(content: Any, path: Iterable[str]) -> Any:
    for part in path:
        if isinstance(content, dict) and part in content:
            content = content[part]
        elif isinstance(content, list) and part.isdigit() and int(part) < len(content):
            content = content[int(part)]
        else:
            return None
    return content


def _check_values(value: Any, where: str = "") -> None:
    """Wherever they are: numbers are finite, whole ones fit into 64 bits, and words are one line of text."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            place = f"{where}.{key}" if where else str(key)
            _check_values(str(key), place)
            _check_values(inner, place)
    elif isinstance(value, str):
        # A pattern's $ would let a line break at the end pass.
        if any(unicodedata.category(each) in NO_TEXT for each in value):
            raise UserError(where, shown(value), "one line of text without control characters")
    elif isinstance(value, int | float) and not abs(value) < LARGEST:  # NaN is not
        raise UserError(where, shown(value), "a number of a size below 2**63")


def _check_names(params: Params) -> None:
    """The names that `study` chooses exist."""
    for section in ("backbones", "strategies", "objectives", "probes"):
        known = params[section]
        for index, name in enumerate(params["study"][section]):
            if name in known:
                continue
            close = difflib.get_close_matches(name, known, n=1)
            raise UserError(
                f"study.{section}.{index}",
                f"the unknown {section.rstrip('s').replace('strategie', 'strategy')} {name!r}",
                f"one of {', '.join(sorted(known))}",
                f"did you mean {close[0]!r}?" if close else f"define it in the section {section}",
            )


def _check_warmup(params: Params) -> None:
    places = [("pretraining", params["pretraining"]), ("training", params["training"])]
    places += [
        (f"{kind}.{name}.training", own.get("training", {}))
        for kind in ("strategies", "objectives")
        for name, own in params[kind].items()
    ]
    for where, recipe in places:
        warmup = recipe.get("warmup", 0)
        if warmup > 1 and warmup != int(warmup):
            raise UserError(f"{where}.warmup", str(warmup), "a share up to 1, or a whole number of steps")


def _check_probe_schedule(schedule: list[dict[str, int]]) -> None:
    last = 0
    for index, entry in enumerate(schedule):
        if "until" not in entry and index < len(schedule) - 1:
            raise UserError(
                f"probe_schedule.{index}.until", "nothing", "a step; only the last entry goes without"
            )
        until = entry.get("until", last + 1)
        if until <= last:
            raise UserError(
                f"probe_schedule.{index}.until", str(until), f"more than the entry before it, {last}"
            )
        last = until


def _check_epsilons(where: str, epsilons: list[Any] | None) -> None:
    last = 0.0
    for index, stated in enumerate(epsilons or []):
        epsilon = _epsilon(f"{where}.{index}", stated, "the clean accuracy comes by itself")
        if epsilon <= last:
            raise UserError(f"{where}.{index}", str(stated), "epsilons in rising order")
        last = epsilon


def _epsilon(where: str, stated: Any, about_zero: str) -> float:
    """Return a perturbation size that must be more than 0."""
    try:
        epsilon = parse_epsilon(stated)
    except ValueError as error:
        raise UserError(where, shown(stated), str(error)) from None
    if epsilon == 0:
        raise UserError(where, str(stated), "more than 0", about_zero)
    return epsilon
