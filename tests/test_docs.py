"""The documentation is true: links lead somewhere, examples are accepted, generated pages miss nothing."""

import re
import tomllib
import xml.etree.ElementTree as Xml
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from docs import generate
from tradeoff.files import read_json
from tradeoff.params import load_params

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GRAPH = {"all": ["figure_…", "table_…"], "figure_…": ["gather"], "table_…": ["gather"], "gather": []}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_of_the_project_or_to_made_pages(page: Path) -> None:
    made = {ROOT / "docs" / "reference" / name for name in ("params.md", "rules.md", "api.md")}
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"https?:|#", target):
            path = (page.parent / target.split("#")[0]).resolve()
            assert path.exists() or path in made, target


def overlays() -> list[str]:
    """Every study that a page tells its reader to write."""
    blocks = [block for page in PAGES for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S)]
    return [block for block in blocks if re.match(r"study:.*?name: mine", block, re.S)]


@pytest.mark.parametrize("overlay", overlays())
def test_studies_that_pages_show_are_accepted(overlay: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(overlay)
    assert load_params([ROOT / "params.yaml", tmp_path / "mine.yaml"])["study"]["name"] == "mine"


def test_the_params_page_has_every_key_of_the_default_study_with_its_value() -> None:
    schema, defaults = (
        read_json(ROOT / "schemas" / "params.schema.json"),
        yaml.safe_load((ROOT / "params.yaml").read_text()),
    )
    page = generate.params_page(schema, defaults)
    for section, values in defaults.items():
        assert f"\n## {section}\n" in page
        part = page.split(f"\n## {section}\n")[1].split("\n## ")[0]
        if section in ("study", "training", "pretraining", "compute"):
            for key, value in values.items():
                (row,) = [line for line in part.splitlines() if line.startswith(f"| `{key}` |")]
                shown = re.findall(r"`([^`]*)`", row.split(" | ")[2])
                assert yaml.safe_load(shown[0]) == value
    for strategy in schema["properties"]["strategies"]["properties"]:
        assert f"### strategies.{strategy}\n" in page
    assert "| `rank` | whole number ≥ 1, ≤ 4096 | `8` | width of the update |" in page


def test_the_graph_has_every_rule_once_below_what_it_takes_from_and_none_overlap() -> None:
    image = Xml.fromstring(generate.drawing(GRAPH))
    space = "{http://www.w3.org/2000/svg}"
    names = [text.text for text in image.iter(f"{space}text")]
    assert sorted(map(str, names)) == sorted(GRAPH)
    boxes = [box for box in image.iter(f"{space}rect") if box.get("rx")]
    places = {
        str(name): (float(box.get("x", 0)), float(box.get("y", 0)))
        for name, box in zip(names, boxes, strict=True)
    }
    for name, sources in GRAPH.items():
        assert all(places[name][1] > places[source][1] for source in sources)
    for (a, b), (x, y) in combinations(places.values(), 2):
        assert abs(a - x) > 150 or abs(b - y) > 30


def test_the_graph_that_is_kept_is_that_of_todays_rules() -> None:
    kept = generate.GRAPH.read_text(encoding="utf-8")
    assert kept == generate.drawing(generate.rule_graph()), "draw it anew: python -m docs.generate"


def test_every_how_to_is_listed_for_those_who_look_for_it() -> None:
    start = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs" / "how-to").glob("*.md"):
        assert f"(how-to/{page.name})" in start, page.name


def test_lines_that_others_imply_are_left_out() -> None:
    parents = {"c": ["a", "b"], "b": ["a"], "a": []}
    assert generate._direct("c", parents) == ["b"]


def test_the_citation_names_both_papers_and_todays_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    urls = [paper["url"].rsplit("/", 1)[1] for paper in citation["references"]]
    assert urls == ["2503.14836", "2509.23325"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == project["version"]
