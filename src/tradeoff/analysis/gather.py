"""All runs of a study as a few tidy tables, after checking that each of them is today's."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tradeoff.analysis.study_file import RUN_COLUMNS, StudyFile
from tradeoff.errors import UserError
from tradeoff.files import read_json, whole_file, write_json

PROBE_COLUMNS = (
    *("step", "epoch", "test_set", "domain", "probe", "threat", "epsilon"),
    *("n", "correct", "accuracy", "low", "high"),
)
PARAMETERS = ("trainable", "total")
TRAINING_COLUMNS = ("step", "epoch", "loss", "learning_rate", "epsilon", "validation_accuracy")
COSTS = ("trainable", "total_parameters", "steps", "train_seconds")


@dataclass(frozen=True)
class Gathered:
    """A study's measurements.

    probes: one row per run, snapshot, test set and epsilon; training: one row per logged step.
    runs: one row per run, with its cost; flags: what the probes found suspicious, one row per warning.
    """

    probes: pa.Table
    training: pa.Table
    runs: list[dict[str, Any]]
    flags: list[dict[str, str]]


def gather(study: StudyFile, results: Path) -> Gathered:
    """Read every run and probe of a study below `results`.

    UserError for a file that is missing, cut short or without the expected columns, and for a run or
    probe that other params made: nothing that is not today's gets into a table.
    """
    probes, training, runs, flags = [], [], [], []
    for run in study["runs"]:
        name = run["run"]
        record = _run_record(results / "runs" / name / "run.json", run)
        runs.append(_columns_of(run) | {"digest": run["digest"]} | _parameters(record))
        log = _read(results / "runs" / name / "training.parquet", TRAINING_COLUMNS)
        training.append(_labelled(log, run))
        for probe, digest in run["probes"].items():
            path = results / "probes" / name / f"{probe}.parquet"
            table = _read(path, PROBE_COLUMNS)
            metadata = table.schema.metadata or {}
            _check_identity(path, name, metadata, {"probe_digest": digest} | _run_identity(record))
            probes.append(_labelled(table.select(PROBE_COLUMNS), run))
            found = json.loads(metadata.get(b"flags", b"[]"))
            flags += [{"run": name, "probe": probe, "flag": _words(flag)} for flag in found]
    return Gathered(_joined(probes), _joined(training), runs, flags)


def write_gathered(gathered: Gathered, folder: Path) -> None:
    """Write probes.parquet, training.parquet, runs.csv and flags.json into a folder, each whole or absent."""
    for name in ("probes", "training"):
        with whole_file(folder / f"{name}.parquet") as temporary:
            pq.write_table(getattr(gathered, name), temporary)
    with whole_file(folder / "runs.csv") as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, [*RUN_COLUMNS, "digest", *PARAMETERS], lineterminator="\n")
        writer.writeheader()
        writer.writerows(gathered.runs)
    write_json(folder / "flags.json", gathered.flags)


def _run_record(path: Path, run: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = read_json(path)
    if record.get("digest") != run["digest"]:
        raise UserError(
            f"run {run['run']}",
            f"the digest {_short(record.get('digest'))} in {path}",
            f"{_short(run['digest'])}, which today's params give",
            "it was made with other params: delete that run's folder and rerun",
        )
    return record


def _parameters(record: dict[str, Any]) -> dict[str, int]:
    return {key: record["parameters"][key] for key in PARAMETERS}


def _run_identity(record: dict[str, Any]) -> dict[str, Any]:
    """What a probe says of the run it evaluated: its settings, and the code and weights it was made with."""
    return {
        "run_digest": record["digest"],
        "run_code": record["code"],
        "weights_sha256": record["weights_sha256"],
    }


def _check_identity(path: Path, run: str, metadata: dict[bytes, bytes], expected: dict[str, Any]) -> None:
    try:
        identity = json.loads(metadata[b"identity"])
    except (KeyError, ValueError):
        identity = {}
    for key, digest in expected.items():
        if identity.get(key) != digest:
            raise UserError(
                f"run {run}",
                f"the {key} {_short(identity.get(key))} in {path}",
                f"{_short(digest)}, which today's params and runs give",
                "the probe was made with other params or of another run: delete that file and rerun",
            )


def _short(digest: Any) -> str:
    return digest[:12] if isinstance(digest, str) else "nothing"


def _words(flag: Any) -> str:
    return flag if isinstance(flag, str) else json.dumps(flag, sort_keys=True)


def _read(path: Path, columns: Sequence[str]) -> pa.Table:
    try:
        table = pq.read_table(path, partitioning=None)
    except FileNotFoundError:
        raise UserError(str(path), "no such file", "a Parquet file", "rerun the rule that makes it") from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            str(path), f"a broken file ({error})", "a whole Parquet file", "delete it and rerun"
        ) from None
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise UserError(str(path), f"no column {', '.join(missing)}", f"the columns {', '.join(columns)}")
    return table


def _columns_of(run: dict[str, Any]) -> dict[str, Any]:
    return {key: run[key] for key in RUN_COLUMNS}


def _labelled(table: pa.Table, run: dict[str, Any]) -> pa.Table:
    """The table with the run's columns in front, and no metadata of its own."""
    values = _columns_of(run)
    arrays = [pa.array([values[key]] * len(table)) for key in RUN_COLUMNS]
    columns = [*arrays, *table.columns]
    return pa.table(columns, names=[*RUN_COLUMNS, *table.column_names])


def _joined(tables: list[pa.Table]) -> pa.Table:
    # A column that is empty in one run (a domain, a validation accuracy) has no type there.
    return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
