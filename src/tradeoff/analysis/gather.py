"""All runs of a study as a few tidy tables, after checking that each of them is today's."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tradeoff.analysis.contradictions import contradictions
from tradeoff.analysis.masked import masked
from tradeoff.analysis.outcomes import read_identity
from tradeoff.analysis.study_file import RUN_COLUMNS, StudyFile
from tradeoff.data.packed import PackedDataset, packed_alike
from tradeoff.data.registry import split_reference
from tradeoff.errors import UserError
from tradeoff.files import canonical_json, whole_file, write_json
from tradeoff.seals import read_checked, read_sealed, recorded_sum, write_record

PROBE_COLUMNS = (
    *("step", "epoch", "test_set", "domain", "probe", "threat", "epsilon"),
    *("severity", "n", "correct", "accuracy", "low", "high", "audited", "disagreed"),
)
PARAMETERS = ("trainable", "total")
WORDS = ("place", "mechanism")
TRAINING_COLUMNS = (
    *("step", "epoch", "loss", "learning_rate", "epsilon"),
    *("validation_accuracy", "validation_loss", "validation_loss_error", "validation_n"),
    *("validation_robust_accuracy", "validation_robust_loss", "validation_robust_loss_error"),
    *("validation_robust_n", "validation_epsilon"),
)


@dataclass(frozen=True)
class Gathered:
    """A study's measurements.

    probes: one row per run, snapshot, test set and epsilon; training: one row per logged step.
    runs: one row per run, with its digest and sizes, and what its strategy does, in words; flags: what the probes found
    suspicious, or what is when one is compared with another, one row per warning.
    records: the files that say what each run and probe is, with the sums of what was read.
    """

    probes: pa.Table
    training: pa.Table
    runs: list[dict[str, Any]]
    flags: list[dict[str, str]]
    records: list[Path]


def gather(study: StudyFile, results: Path) -> Gathered:
    """Read every run and probe of a study below `results`.

    UserError for a file that is missing, damaged or without the expected columns, and for a run or
    probe that other params, code, data or weights made: nothing that is not today's gets into a table. Probes of a
    backbone have to agree on the data of each test set, and with its runs on theirs.
    Folders of packed data are relative to the current folder; one that is absent is not compared.
    """
    probes, training, runs, flags = [], [], [], []
    records = [results / "study.json"]
    weights = weights_of_today(study, results)
    data = PackedData(study)
    for run in study["runs"]:
        name = run["run"]
        where = f"run {name}"
        folder = results / "runs" / name
        record = read_sealed(folder / "run.json")
        records.append(folder / "run.json")
        made_by = {"digest": run["digest"], "code": run["code"], "weights_sha256": weights[run["backbone"]]}
        check_made(where, folder / "run.json", record, made_by)
        words = {key: record["strategy"][key] for key in WORDS}
        runs.append(_columns_of(run) | {"digest": run["digest"]} | _parameters(record) | words)
        packed = Path(run["data"])
        data.check(where, packed, folder / "run.json", {run["dataset"]: record["data_digest"]})
        log = _read(folder / "training.parquet", folder / "run.json", TRAINING_COLUMNS)
        check_made(where, folder / "training.parquet", _identity(log), {"digest": run["digest"]})
        training.append(_labelled(_numbers(log), run))
        rows: list[dict[str, Any]] = []
        for probe, digest in run["probes"].items():
            path = results / "probes" / name / f"{probe}.parquet"
            records.append(path.with_suffix(".record.json"))
            table = _read(path, records[-1], PROBE_COLUMNS)
            identity = _identity(table)
            made_by = {"probe_digest": digest, "probe_code": run["probe_code"][probe]}
            check_made(where, path, identity, made_by | _run_identity(record))
            outcomes = path.with_name(f"{probe}.outcomes.safetensors")
            check_made(where, outcomes, read_identity(outcomes), identity)
            data.check(where, packed, path, identity["data_digests"])
            probes.append(_labelled(table.select(PROBE_COLUMNS), run))
            rows += table.select(PROBE_COLUMNS).to_pylist()
            found = json.loads((table.schema.metadata or {}).get(b"flags", b"[]"))
            flags += [{"run": name, "probe": probe, "flag": _words(flag)} for flag in found]
        flags += [{"run": name, **flag} for flag in [*masked(rows), *contradictions(rows)]]
    return Gathered(_joined(probes), _joined(training), runs, flags, records)


def write_gathered(gathered: Gathered, folder: Path, code: str) -> None:
    """Write probes.parquet, training.parquet, runs.csv, flags.json and their record, each whole or absent.

    code: fingerprint of the code that runs.
    """
    for name in ("probes", "training"):
        with whole_file(folder / f"{name}.parquet") as temporary:
            pq.write_table(getattr(gathered, name), temporary)
    with whole_file(folder / "runs.csv") as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, [*RUN_COLUMNS, "digest", *PARAMETERS, *WORDS], lineterminator="\n")
        writer.writeheader()
        writer.writerows(gathered.runs)
    write_json(folder / "flags.json", gathered.flags)
    made = [folder / name for name in ("probes.parquet", "training.parquet", "runs.csv", "flags.json")]
    write_record(folder / "gather.record.json", made, gathered.records, code)


class PackedData:
    """The digest of each packed dataset that runs, probes and tasks say they were made with."""

    def __init__(self, study: StudyFile) -> None:
        self.expected = study["datasets"]
        self.known: dict[Path, tuple[str, Path]] = {}

    def check(self, where: str, folder: Path, path: Path, digests: dict[str, str]) -> None:
        """Refuse a file that was made with other data than a file before it, or than are packed now.

        where: whose file it is; folder: where one of the datasets is packed, the others beside it in the same form.
        digests: by dataset reference.
        """
        for reference, digest in digests.items():
            name, _ = split_reference(reference)
            packed = packed_alike(folder, name)
            if packed not in self.known:
                self.known[packed] = (
                    (self._of_today(name, packed), packed) if packed.exists() else (digest, path)
                )
            known, source = self.known[packed]
            if digest != known:
                raise UserError(
                    where,
                    f"the data digest {_short(digest)} of {name} in {path}",
                    f"{_short(known)}, as in {source}",
                    "it was made with other data: delete that file and rerun",
                )

    def _of_today(self, name: str, packed: Path) -> str:
        """The digest of packed data, once today's definition and code are known to have made them."""
        manifest = packed / "manifest.json"
        about = read_sealed(manifest)
        found = {
            "definition_digest": about["source"].get("definition_digest"),
            "code": about["source"].get("code"),
            "packing_code": about.get("code"),
        }
        check_made(f"dataset {name}", manifest, found, self.expected[name])
        return PackedDataset.open(packed).digest


def weights_of_today(study: StudyFile, results: Path) -> dict[str, str]:
    """Return the sha256 of each backbone's weights; UserError unless they are today's."""
    weights = {}
    for name, expected in study["backbones"].items():
        record = results / "backbones" / name / "backbone.json"
        found = read_sealed(record)
        check_made(f"backbone {name}", record, found, expected)
        weights[name] = found["sha256"]["weights.safetensors"]
    return weights


def _parameters(record: dict[str, Any]) -> dict[str, int]:
    return {key: record["parameters"][key] for key in PARAMETERS}


def _run_identity(record: dict[str, Any]) -> dict[str, Any]:
    """What a probe says of the run it evaluated: its settings, and the code and weights it was made with."""
    return {
        "run_digest": record["digest"],
        "run_code": record["code"],
        "snapshots_sha256": record["sha256"]["snapshots.safetensors"],
        "weights_sha256": record["weights_sha256"],
    }


def _identity(table: pa.Table) -> dict[str, Any]:
    """What a table says it is of; nothing when it does not say."""
    try:
        identity: dict[str, Any] = json.loads((table.schema.metadata or {})[b"identity"])
    except (KeyError, ValueError):
        return {}
    return identity


def check_made(where: str, path: Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Refuse a file that says something else than expected of what it was made from."""
    for key, value in expected.items():
        if found.get(key) != value:
            raise UserError(
                where,
                f"the {key} {_short(found.get(key))} in {path}",
                f"{_short(value)}, which today's params, code, data and runs give",
                "it was made with or from something else: delete that file and rerun",
            )


def _short(value: Any) -> str:
    """A digest as far as people need it to tell it from another."""
    if value is None:
        return "nothing"
    return value[:12] if isinstance(value, str) else canonical_json(value)


def _words(flag: Any) -> str:
    return flag if isinstance(flag, str) else json.dumps(flag, sort_keys=True)


def _read(path: Path, record: Path, columns: Sequence[str]) -> pa.Table:
    content = read_checked(path, recorded_sum(path, record))
    try:
        table = pq.read_table(pa.BufferReader(content))
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


def _numbers(log: pa.Table) -> pa.Table:
    """The log with columns of numbers, also where a run measured nothing (no robust validation)."""
    fields = [
        field.with_type(pa.float64()) if pa.types.is_null(field.type) else field for field in log.schema
    ]
    return log.cast(pa.schema(fields))


def _joined(tables: list[pa.Table]) -> pa.Table:
    # A column that is empty in one run (a domain, a validation accuracy) has no type there.
    return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
