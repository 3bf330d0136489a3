"""The text in docs/paper, set with a study's figures, tables and numbers."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from tradeoff.analysis.metrics import panel_names
from tradeoff.analysis.study_file import threats
from tradeoff.artifacts import FIGURES, TABLES, available
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import escaped
from tradeoff.errors import UserError
from tradeoff.files import whole_file
from tradeoff.seals import read_checked, recorded_sum

# Nothing of the machine and of its user; no other program than LaTeX and BibTeX may start.
LATEXMK = (
    *("latexmk", "-norc", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error"),
    *("-latexoption=-no-shell-escape", "main.tex"),
)
FIXED = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "LC_ALL": "C", "max_print_line": "1000"}


def typeset(results: Results, sources: Path, output: Path) -> None:
    """Write the PDF of `sources`/main.tex with what the study has; equal sources and results give equal bytes.

    UserError where LaTeX is missing or stops, and where a file of `shown` is not as its record says.
    """
    if not all(map(shutil.which, ("latexmk", "pdflatex"))):
        raise UserError(
            "paper",
            "no LaTeX here",
            "latexmk and pdflatex",
            "on Debian, apt-get install texlive-latex-recommended texlive-fonts-recommended latexmk",
        )
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(sources, folder, dirs_exist_ok=True)
        for made in shown(results):
            content = read_checked(made, recorded_sum(made, made.with_suffix(".record.json")))
            copy = folder / made.relative_to(results.root)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(content)
        (folder / "contents.tex").write_text(contents(results), encoding="utf-8")
        if subprocess.run(LATEXMK, cwd=folder, env=os.environ | FIXED).returncode:
            raise UserError(
                "paper", _complaint(folder / "main.log"), "LaTeX that can be set", "mend the text"
            )
        with whole_file(output) as temporary:
            shutil.copyfile(folder / "main.pdf", temporary)


def shown(results: Results) -> list[Path]:
    """Return the files of the study that the text can show: figures, tables and numbers."""
    study = results.study
    figures = [results.root / "figures" / f"{name}.pdf" for name in available(study, FIGURES)]
    tables = [results.root / "tables" / f"{name}.tex" for name in available(study, TABLES)]
    return [*figures, *tables, *([results.root / "numbers.tex"] if threats(study) else [])]


def contents(results: Results) -> str:
    """Return the commands of study.sty that tell it the study's title, figures, tables, numbers and panels."""
    study = results.study
    lines = [rf"\newcommand{{\studytitle}}{{{escaped(study['study']['title'])}}}"]
    for kind, registry in (("figure", FIGURES), ("table", TABLES)):
        lines += [
            rf"\studyhas{{{kind}}}{{{name}}}{{{escaped(registry[name].title)}}}"
            for name in available(study, registry)
        ]
    if threats(study):
        named = panel_names(study)
        lines += [r"\input{numbers.tex}"]
        lines += [
            rf"\studypanel{{{escaped(panel.name)}}}{{{named[panel.dataset, panel.backbone, panel.objective]}}}"
            for panel in results.panels
        ]
    return "\n".join([*lines, ""])


def _complaint(log: Path) -> str:
    """The first error in LaTeX's log, with the file and line of the text where it stopped."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    found = re.search(r"^(?:\./\S+:\d+: |! ).*$", text, re.MULTILINE)
    return found[0] if found else "an error of LaTeX, above"
