"""Write a study's metrics.json for `dvc metrics`, and tables/trajectories.csv for `dvc plots`.

python -m workflow_scripts.write_metrics --results results/quickstart
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.files import whole_file, write_json
from tradeoff.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="results/<study>")
    arguments = parser.parse_args(argv)

    from tradeoff.analysis.metrics import metrics, trajectories
    from tradeoff.artifacts.results import Results
    from tradeoff.fingerprint import fingerprint
    from tradeoff.seals import write_record

    results = Results(arguments.results)
    with whole_file(results.root / "tables" / "trajectories.csv") as temporary:
        trajectories(results.study, results.probes).to_csv(temporary, index=False, lineterminator="\n")
    write_json(results.root / "metrics.json", metrics(results.study, results.probes, results.areas))
    write_record(
        results.root / "metrics.record.json",
        made=[results.root / "metrics.json", results.root / "tables" / "trajectories.csv"],
        read=[
            results.root / file for file in ("study.json", "tables/probes.parquet", "tables/pareto_auc.csv")
        ],
        code=fingerprint("workflow_scripts.write_metrics"),
    )


if __name__ == "__main__":
    run_script(main)
