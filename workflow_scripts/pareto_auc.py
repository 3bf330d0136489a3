"""Compute frontiers, trade-off AUC, rise and fall of robustness of every strategy, with intervals.

python -m workflow_scripts.pareto_auc --results results/quickstart --bootstrap 1000 --seed 0 --confidence 0.95
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.files import whole_file
from tradeoff.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--results", type=Path, required=True, help="results/<study>; writes below its tables/"
    )
    parser.add_argument("--bootstrap", type=int, default=1000, help="replicates; 0: no intervals")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap")
    parser.add_argument("--confidence", type=float, default=0.95, help="of the intervals")
    arguments = parser.parse_args(argv)

    from tradeoff.analysis.courses import courses
    from tradeoff.analysis.pareto_auc import Bootstrap, pareto_auc
    from tradeoff.artifacts.results import Results
    from tradeoff.fingerprint import fingerprint
    from tradeoff.seals import write_record

    results = Results(arguments.results)
    bootstrap = Bootstrap(arguments.bootstrap, arguments.seed, arguments.confidence)
    tables = pareto_auc(results.study, results.root, results.probes, bootstrap)
    outputs = {
        "pareto_auc": tables.areas,
        "auc_differences": tables.differences,
        "frontiers": tables.frontiers,
        "variants": tables.variants,
        "courses": courses(results.study, results.root, arguments.confidence),
    }
    for name, table in outputs.items():
        with whole_file(results.root / "tables" / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.9g", lineterminator="\n")
    folder = results.root / "tables"
    write_record(
        folder / "pareto_auc.record.json",
        made=[folder / f"{name}.csv" for name in outputs],
        read=[results.root / "study.json", folder / "gather.record.json"],
        code=fingerprint("workflow_scripts.pareto_auc"),
        bootstrap=arguments.bootstrap,
        seed=arguments.seed,
        confidence=arguments.confidence,
    )


if __name__ == "__main__":
    run_script(main)
