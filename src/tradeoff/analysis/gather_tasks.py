"""How hard each task of a study is, as a table, after checking that each measurement is today's."""

import csv
from pathlib import Path
from typing import Any

from tradeoff.analysis.gather import PackedData, check_made, weights_of_today
from tradeoff.analysis.study_file import StudyFile
from tradeoff.files import whole_file
from tradeoff.seals import read_sealed, write_record

COLUMNS = (
    *("dataset", "backbone", "images", "classes"),
    *("separability", "neighbour_accuracy", "upstream", "similarity"),
)


def write_tasks(study: StudyFile, results: Path, code: str) -> None:
    """Write tables/tasks.csv below results/<study>, a row for each dataset and backbone, and its record.

    code: fingerprint of the code that runs. UserError for a measurement that is missing, damaged, or that other
    params, code, data or weights made.
    """
    weights, data = weights_of_today(study, results), PackedData(study)
    rows, read = [], [results / "study.json"]
    for task in study["tasks"]:
        path = results / "tasks" / task["task"] / "task.json"
        about = read_sealed(path)
        where = f"task {task['task']}"
        made_by = {
            "digest": task["digest"],
            "code": task["code"],
            "weights_sha256": weights[task["backbone"]],
        }
        check_made(where, path, about, made_by)
        data.check(where, Path(task["data"]), path, about["data_digests"])
        rows.append(_row(task, about))
        read.append(path)
    table = results / "tables" / "tasks.csv"
    with whole_file(table) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_record(table.with_name("tasks.record.json"), [table], read, code)


def _row(task: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    row = {column: about.get(column, task.get(column)) for column in COLUMNS}
    return row | {"upstream": about["spec"]["upstream"]}
