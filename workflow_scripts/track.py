"""Write the DVC stages that version a study, or check that they fit it.

    python -m workflow_scripts.track [--check] [--runs] [--made] params.yaml [studies/NAME.yaml ...]

The stages of the default study go to dvc.yaml, those of another to studies/<study>/dvc.yaml, and those of datasets,
which studies share, to data/dvc.yaml, beside the ones that are there. `--check` writes nothing; with `--runs` it
also checks that runs and probes are whole and today's, with `--made` that the artifacts were made with today's params.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tradeoff.data.registry import mirror_folder
from tradeoff.errors import UserError
from tradeoff.files import digest_of, whole_file
from tradeoff.params import load_params
from tradeoff.params.yaml_files import read_yaml
from tradeoff.script import run_script
from tradeoff.seals import read_sealed
from tradeoff.study import Study
from tradeoff.tracking import DATA_FILE, data_stages, study_file, study_stages

HEADER = """\
# Written by `make track`: the stages through which DVC versions {what}.
# Snakemake decides what runs inside them; how many cores and where jobs run is a matter of its profile.
"""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write the DVC stages of a study, or check them.")
    parser.add_argument("files", nargs="+", help="params.yaml, and overlays in their order")
    parser.add_argument("--check", action="store_true", help="write nothing; refuse files that do not fit")
    parser.add_argument("--runs", action="store_true", help="check every run and probe, too")
    parser.add_argument("--made", action="store_true", help="check study.json, too")
    arguments = parser.parse_args(argv)
    overlays = arguments.files[1:]
    study = _study(arguments.files)
    file = study_file(study, overlays)
    wanted = study_stages(study, overlays)
    known = read_yaml(DATA_FILE).get("stages", {}) if DATA_FILE.exists() else {}
    stages = dict(sorted((known | data_stages(study, overlays, _study(arguments.files[:1]))).items()))
    if arguments.check:
        _check(DATA_FILE, {"stages": stages}, study)
        _check(file, wanted, study)
    else:
        _write(DATA_FILE, {"stages": stages}, "the datasets of all studies")
        _write(file, wanted, f"the study {study.name}")
    if arguments.runs:
        from tradeoff.analysis.gather import gather

        gather(study.summary(), Path(study.root))
    if arguments.made and digest_of(read_sealed(f"{study.root}/study.json")) != digest_of(study.summary()):
        raise UserError(
            f"{study.root}/study.json",
            "other params than today's, though Snakemake takes it for finished",
            "results of today's params",
            "`snakemake --forcerun study` makes what depends on them",
        )


def _study(files: Sequence[str]) -> Study:
    params = load_params(files)
    return Study(params, mirror_folder(params["data"]["mirror"]))


def _check(file: Path, wanted: dict[str, Any], study: Study) -> None:
    found = read_yaml(file) if file.exists() else {}
    if digest_of(found) != digest_of(wanted):
        raise UserError(
            str(file),
            "stages that do not fit the study",
            f"those of {study.name} as it is today",
            f"`make track STUDY={study.name}` writes them",
        )


def _write(file: Path, content: dict[str, Any], what: str) -> None:
    text = HEADER.format(what=what) + yaml.safe_dump(content, sort_keys=False, width=110)
    if file.exists() and file.read_text() == text:
        return
    with whole_file(file) as temporary:
        temporary.write_text(text)
    print(f"wrote {file}")


if __name__ == "__main__":
    run_script(main)
