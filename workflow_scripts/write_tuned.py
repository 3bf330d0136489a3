"""Write what a study's searches chose to tuned/<file's name> beside the study's file, where its runs read it.

python -m workflow_scripts.write_tuned params.yaml [studies/NAME.yaml ...]      (make tune)
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.data.registry import mirror_folder
from tradeoff.errors import UserError
from tradeoff.files import digest_of, whole_file
from tradeoff.params import load_params
from tradeoff.params.load import tuned_file
from tradeoff.run_code import tuning_code
from tradeoff.script import run_script
from tradeoff.seals import read_sealed
from tradeoff.study import Study

HEAD = """# Chosen by `make tune`, on validation images. Read by itself with {study}; delete it to be rid of it.
study:
  name: {name}
tuned:
"""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write what a study's searches chose.")
    parser.add_argument("files", nargs="+", type=Path, help="params.yaml, and overlays in their order")
    arguments = parser.parse_args(argv)
    params = load_params(arguments.files, tuned=False)
    study = Study(params, mirror_folder(params["data"]["mirror"]))
    lines = [HEAD.format(study=arguments.files[-1].name, name=study.name)]
    for cell, spec in study.tuning().items():
        file = Path(study.root) / "tuned" / f"{cell}.json"
        found = read_sealed(file)
        if (found["digest"], found["code"]) != (digest_of(spec), tuning_code(spec["run"])):
            raise UserError(
                str(file), "a search with other settings or other code", "today's", "run `make tune`"
            )
        values = ", ".join(f"{name}: {value!r}" for name, value in found["chosen"].items())
        lines.append(f"  {cell}: {{{values}}} # validation accuracy {found['validation_accuracy']:.4f}\n")
    if len(lines) == 1:
        raise UserError("tuning", "nothing to tune", "a cell without a pinned learning rate (`recipes`)")
    output = tuned_file(arguments.files[-1])
    with whole_file(output) as temporary:
        temporary.write_text("".join(lines))
    print(f"{output}: {len(lines) - 1} recipes; the next `make figures` uses them")


if __name__ == "__main__":
    run_script(main)
