"""The paper: it shows what a study has and nothing else, repeats byte for byte, and starts no other program."""

import re
import shutil
from pathlib import Path

import pytest
from synthetic_results import write_study

from tradeoff.artifacts import FIGURES, TABLES, available, style
from tradeoff.artifacts.paper import contents, typeset
from tradeoff.artifacts.results import Results
from tradeoff.errors import UserError
from tradeoff.files import sha256_of
from tradeoff.seals import read_sealed, recorded, write_record, write_sealed
from workflow_scripts import gather, pareto_auc, write_numbers, write_paper, write_table

SOURCES = Path(__file__).parents[1] / "docs" / "paper"
needs_latex = pytest.mark.skipif(
    not (shutil.which("latexmk") and shutil.which("pdflatex")), reason="no LaTeX installed"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two panels with names that LaTeX must not read as markup, and empty figures in the place of real ones."""
    root = tmp_path_factory.mktemp("study")
    write_study(root, strategies=("full", "lora"), datasets=("digits", "my_own.photo"), n=40, steps=(0, 10))
    study = read_sealed(root / "study.json")
    study["study"]["title"] = study["params"]["study"]["title"] = "50% & {more}_"
    write_sealed(root / "study.json", study)
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    pareto_auc.main(["--results", str(root), "--bootstrap", "20"])
    write_numbers.main(["--results", str(root)])
    for name in available(study, TABLES):
        write_table.main(["--table", name, "--results", str(root), "--output", str(root / "tables" / name)])
    (root / "figures").mkdir()
    with style.styled():
        for name in [*available(study), "ramps"]:  # the last was drawn for another version of the study
            drawn = root / "figures" / f"{name}.pdf"
            style.figure(1, 1).savefig(drawn)
            write_record(drawn.with_suffix(".record.json"), [drawn], [root / "study.json"], "c0de")
    return root


def text(folder: Path, body: str) -> Path:
    """A text of its own, with study.sty."""
    folder.mkdir()
    shutil.copy(SOURCES / "study.sty", folder)
    lines = [r"\documentclass{article}\usepackage{study}\begin{document}Words.", body, r"\end{document}"]
    (folder / "main.tex").write_text("\n".join(lines))
    return folder


def test_the_list_has_what_the_study_has_and_no_more(root: Path) -> None:
    made = contents(Results(root))
    study = Results(root).study
    assert re.findall(r"\\studyhas\{figure\}\{(\w+)\}", made) == available(study, FIGURES)
    assert re.findall(r"\\studyhas\{table\}\{(\w+)\}", made) == available(study, TABLES)
    assert r"\newcommand{\studytitle}{50\% \& \{more\}\_}" in made
    assert r"\studypanel{my\_own.photo}{my_own.photo}" in made


@needs_latex
def test_the_text_of_the_project_is_set_and_again_byte_for_byte(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = shutil.copytree(root, tmp_path / "elsewhere" / "study")
    command = ["--sources", str(SOURCES), "--results"]
    write_paper.main([*command, str(root), "--output", str(tmp_path / "first.pdf")])
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    write_paper.main([*command, str(elsewhere), "--output", str(tmp_path / "second.pdf")])
    first = (tmp_path / "first.pdf").read_bytes()
    assert first == (tmp_path / "second.pdf").read_bytes()
    assert recorded(tmp_path / "first.record.json") == {
        tmp_path / "first.pdf": sha256_of(tmp_path / "first.pdf")
    }
    read = {Path(name).name for name in read_sealed(tmp_path / "first.record.json")["from"]}
    assert {"study.json", "frontiers.pdf", "auc.tex", "numbers.tex", "main.tex", "study.sty"} <= read
    assert not re.search(rb"/(CreationDate|ModDate|PTEX.FileName)", first)
    assert b"/Type3" not in first


@needs_latex
@pytest.mark.parametrize(
    ("body", "runs"),
    [
        (r"\ifstudyhas{shift}{\reached}", True),
        (r"\ifstudyhas{ramps,objectives}{\reached}", False),
        (r"\ifstudyhas{ramps,auc}{\reached}", True),
        (r"\studyfigure{frontiers}{\reached}", True),
        (r"\studyfigure{ramps}{\reached}", False),
        (r"\eachpanel{\panel{} \panelnumber{lora/auc} \panelnumber{best/strategy}}", False),
        (r"\eachpanel{\panelnumber{no/such}}", True),
        (r"\studyfigure{frontiers}{A} \def\includegraphics#1{\study{#1}} \otherartifacts", True),
    ],
)
def test_a_command_acts_where_the_study_has_its_data_and_is_silent_elsewhere(
    root: Path, tmp_path: Path, body: str, runs: bool
) -> None:
    """`reached` is not defined, so LaTeX stops where it stands."""
    sources = text(tmp_path / "text", body)
    if not runs:
        typeset(Results(root), sources, tmp_path / "paper.pdf")
        return
    with pytest.raises(UserError, match=r"main.tex:2: (Undefined control|.*No number 'digits/no/such')"):
        typeset(Results(root), sources, tmp_path / "paper.pdf")
    assert not (tmp_path / "paper.pdf").exists()


@needs_latex
def test_the_rest_has_each_figure_that_the_text_has_not_shown_once(root: Path, tmp_path: Path) -> None:
    shown = r"\studyfigure{frontiers}{A}\studyfigure{shift}{B}"
    count = r"\newcount\n\renewcommand\includegraphics[1]{\global\advance\n1 }"
    expected = len(available(Results(root).study))
    check = rf"\ifnum\n={expected} \else\reached\fi"
    typeset(
        Results(root), text(tmp_path / "text", f"{count}{shown}\\otherartifacts {check}"), tmp_path / "a.pdf"
    )


@needs_latex
def test_a_text_cannot_start_a_program(root: Path, tmp_path: Path) -> None:
    sources = text(tmp_path / "text", rf"\immediate\write18{{touch {tmp_path}/started}}Words.")
    (sources / ".latexmkrc").write_text(f"system('touch {tmp_path}/started');")
    typeset(Results(root), sources, tmp_path / "paper.pdf")
    assert not (tmp_path / "started").exists()


@needs_latex
@pytest.mark.parametrize("name", ["figures/frontiers.pdf", "tables/auc.tex", "numbers.tex"])
def test_what_changed_after_it_was_made_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    changed = Path(shutil.copytree(root, tmp_path / "study"))
    with (changed / name).open("ab") as file:
        file.write(b"%")
    with pytest.raises(UserError, match=rf"{name}: found sha256"):
        typeset(Results(changed), SOURCES, tmp_path / "paper.pdf")
    assert not (tmp_path / "paper.pdf").exists()


def test_without_latex_one_line_says_what_to_install(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no LaTeX here; expected latexmk and pdflatex; on Debian, apt-get"):
        typeset(Results(root), SOURCES, tmp_path / "paper.pdf")
