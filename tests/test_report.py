"""The explorer: one file that needs nothing else, says what the results say, and works in a browser."""

import base64
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import Select, WebDriverWait
from synthetic_results import ROBUST, SEVEN, write_study

from tradeoff.artifacts import FIGURES, TABLES, available
from tradeoff.artifacts.looks import OBJECTIVES, look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.errors import UserError
from tradeoff.files import write_json
from tradeoff.report import page as page_module
from tradeoff.report.captions import caption
from tradeoff.report.curves import SYMBOLS, explorable
from tradeoff.report.html import document, escaped
from tradeoff.report.page import LARGEST, page
from tradeoff.seals import read_sealed, write_record, write_sealed
from workflow_scripts import gather, gather_tasks, pareto_auc, write_explorer, write_table

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
HOSTILE = '<script>alert("x")</script> & </script><b>'
PDFTOTEXT = shutil.which("pdftotext")
PRINTED = (
    Path(__file__).parents[1] / "docs" / "images" / "small_trajectories.png"
)  # a large figure of a real study
DRAWN_BY = "0ddc0de0ddc0de00"  # the code of the figures


def made(root: Path, **settings: Any) -> Path:
    """A study, its tables, a flag, stand-ins for its figures, and its page below `root`."""
    write_study(root, n=60, **settings)
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    flag = {"run": "digits/tiny_vit/ia3/standard/seed0", "probe": "pgd", "flag": "step 0: made up"}
    plant_flag(root, flag)
    pareto_auc.main(["--results", str(root), "--bootstrap", "20"])
    set_tables(root)
    stand_in_figures(root)
    write_explorer.main(["--results", str(root)])
    return root


def set_tables(root: Path) -> None:
    for name in available(Results(root).study, TABLES):
        write_table.main(["--table", name, "--results", str(root), "--output", str(root / "tables" / name)])


def plant_flag(root: Path, flag: dict[str, str]) -> None:
    """Write a flag as if gathering had found it."""
    tables = root / "tables"
    write_json(tables / "flags.json", [flag])
    made = [tables / name for name in ("probes.parquet", "training.parquet", "runs.csv", "flags.json")]
    write_record(tables / "gather.record.json", made, [], "c0de")


def stand_in_figures(
    root: Path, names: Sequence[str] | None = None, picture: Image.Image | None = None
) -> None:
    (root / "figures").mkdir(exist_ok=True)
    for name in available(Results(root).study) if names is None else names:
        for kind in ("pdf", "csv"):
            (root / "figures" / f"{name}.{kind}").touch()
        (picture or Image.new("RGBA", (60, 40), "white")).save(root / "figures" / f"{name}.png")
        drawn = [root / "figures" / f"{name}.{kind}" for kind in ("csv", "pdf", "png")]
        write_record(drawn[0].with_suffix(".record.json"), drawn, [root / "study.json"], DRAWN_BY)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets, seven strategies, an objective and two variants of another."""
    return made(
        tmp_path_factory.mktemp("study"),
        datasets=("digits", "letters"),
        objectives=("standard", "rft_sched"),
        strategies=SEVEN,
        steps=(0, 10, 40, 160),
    )


def unfolded(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Every curve with what it shares with others, as the page puts it together."""
    curves = []
    for curve in data["curves"]:
        course = data["courses"][curve["course"]]
        run = data["runs"][course["run"]]
        kept = curve.get("at", range(len(course["step"])))
        shared = {key: [course[key][i] for i in kept] for key in ("step", "epoch", "accuracy", "low", "high")}
        curves.append(data["panels"][run["panel"]] | run | curve | shared)
    return curves


class Text(HTMLParser):
    """The words, tags and references of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_it_is_one_file_below_ten_megabytes_that_loads_nothing(root: Path) -> None:
    path = root / "explorer.html"
    assert path.stat().st_size < 10_000_000
    references = Text(path.read_text()).references
    assert len([one for one in references if one.startswith("data:image/webp")]) == len(
        available(Results(root).study)
    )
    for reference in references:
        assert reference.startswith(("data:", "#", "figures/", "tables/")), reference


def test_it_is_the_same_byte_for_byte_again(root: Path) -> None:
    first = (root / "explorer.html").read_bytes()
    write_explorer.main(["--results", str(root)])
    assert (root / "explorer.html").read_bytes() == first


def test_links_lead_to_files_and_sections_that_exist(root: Path) -> None:
    html = (root / "explorer.html").read_text()
    ids = set(re.findall(r'id="([\w-]+)"', html))
    for reference in Text(html).references:
        if reference.startswith("#"):
            assert reference[1:] in ids
        elif not reference.startswith("data:"):
            assert (root / reference).is_file()


def test_names_from_params_are_text_and_never_markup(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "study")
    study = read_sealed(tmp_path / "study" / "study.json")
    study["study"]["title"] = study["params"]["study"]["title"] = HOSTILE
    write_sealed(tmp_path / "study" / "study.json", study)
    plant_flag(tmp_path / "study", {"run": HOSTILE, "probe": "p", "flag": HOSTILE})
    set_tables(tmp_path / "study")
    text = Text(page(Results(tmp_path / "study")))
    assert HOSTILE in "".join(text.words)
    assert text.tags.count("script") == 3
    assert "b" not in text.tags


def test_the_plots_hold_the_shares_of_the_probes_and_the_areas_of_the_table(root: Path) -> None:
    results = Results(root)
    data = explorable(results)
    curves = unfolded(data)
    probes = results.probes
    row = probes[(probes["probe"] == "pgd") & (probes["epsilon"] > 4.5 / 255) & (probes["step"] == 40)].iloc[
        5
    ]
    curve = next(
        curve
        for curve in curves
        if curve["measure"] == "pgd 8/255"
        and all(curve[key] == row[key] for key in ("dataset", "objective", "strategy"))
    )
    index = curve["step"].index(40)
    assert curve["robustness"][index] == pytest.approx(row["correct"] / row["n"], abs=1e-5)
    shift = probes[(probes["test_set"] == "typeset_digits") & (probes["run"] == row["run"])]
    shifted = next(
        curve
        for curve in curves
        if curve["measure"] == "shift typeset_digits"
        and all(curve[key] == row[key] for key in ("dataset", "objective", "strategy"))
    )
    assert shifted["robustness"] == pytest.approx((shift["correct"] / shift["n"]).tolist(), abs=1e-5)
    corrupted = probes[(probes["probe"] == "common") & (probes["severity"] > 0) & (probes["step"] == 40)]
    mean = next(
        curve
        for curve in curves
        if curve["measure"] == "common"
        and all(curve[key] == row[key] for key in ("dataset", "objective", "strategy"))
    )
    of_run = corrupted[corrupted["run"] == row["run"]]
    assert len(of_run) > 20
    assert mean["robustness"][index] == pytest.approx((of_run["correct"] / of_run["n"]).mean(), abs=1e-5)
    areas = pd.read_csv(root / "tables" / "pareto_auc.csv")
    assert sum(len(named) for panels in data["areas"].values() for named in panels.values()) == len(areas)
    for area in areas.to_dict("records"):
        panel = data["panels"].index({key: area[key] for key in ("dataset", "backbone", "objective")})
        found = data["areas"][f"pgd {round(area['epsilon'] * 255)}/255"][str(panel)][area["family"]]
        assert found == pytest.approx([area["auc"], area["low"], area["high"]], abs=1e-9)


def test_a_snapshot_is_best_when_none_of_its_family_and_seed_beats_it(root: Path) -> None:
    groups: dict[tuple[Any, ...], list[tuple[float, float, bool]]] = {}
    for curve in unfolded(explorable(Results(root))):
        key = tuple(curve[name] for name in ("measure", "dataset", "backbone", "objective", "family", "seed"))
        groups.setdefault(key, []).extend(
            zip(curve["accuracy"], curve["robustness"], curve["best"], strict=True)
        )
    for members in groups.values():
        for a, r, best in members:
            beaten = any((x >= a and y >= r) and (x > a or y > r) for x, y, _ in members)
            assert best == (not beaten)


def test_the_plots_have_the_looks_of_the_figures(root: Path) -> None:
    data = explorable(Results(root))
    for family in data["families"]:
        one = look(family["name"])
        assert (family["colour"], family["label"]) == (one.colour, one.label)
        assert family["symbol"] == SYMBOLS[one.marker]
    assert len(data["objectives"]) == 3
    for objective in data["objectives"]:
        one = OBJECTIVES[objective["name"].split("-")[0]]
        assert objective["colour"] == one.colour
        assert objective["symbol"].startswith(SYMBOLS[one.marker])
    # The same objective at two ε_g has one colour and, so that one plot can have both, two markers.
    assert len({(one["colour"], one["symbol"]) for one in data["objectives"]}) == 3


def test_expected_robustness_is_the_mean_over_epsilon_by_hand(root: Path) -> None:
    results = Results(root)
    probes = results.probes
    at = probes[(probes["run"] == "letters/tiny_vit/lora/standard/seed0") & (probes["step"] == 40)]
    at = at[at["probe"] == "pgd"]
    at = at.set_index((at["epsilon"] * 255).round())
    curve = next(
        curve
        for curve in unfolded(explorable(results))
        if curve["measure"] == "pgd expected"
        and (curve["dataset"], curve["family"], curve["objective"]) == ("letters", "lora", "standard")
    )
    index = curve["step"].index(40)
    for share, column in (("robustness", "accuracy"), ("robustness_low", "low"), ("robustness_high", "high")):
        clean, one, four, eight = (at[column][epsilon] for epsilon in (0, 1, 4, 8))
        mean = ((clean + one) / 2 + 3 * (one + four) / 2 + 4 * (four + eight) / 2) / 8
        assert curve[share][index] == pytest.approx(mean, abs=1e-5)
    assert curve["accuracy"][index] == pytest.approx(at["accuracy"][0], abs=1e-5)


def test_expected_robustness_stops_where_params_say_and_needs_several_epsilons(
    root: Path, tmp_path: Path
) -> None:
    shutil.copytree(root, tmp_path / "study")
    study = read_sealed(tmp_path / "study" / "study.json")
    labels = {}
    for up_to in ("4/255", "1/255"):
        study["params"]["tradeoff"]["expected_up_to"] = up_to
        write_sealed(tmp_path / "study" / "study.json", study)
        measures = explorable(Results(tmp_path / "study"))["measures"]
        labels[up_to] = [one["label"] for one in measures if one["key"] == "pgd expected"]
    assert labels == {"4/255": ["Expected robustness: PGD-15, ℓ∞, ε from 0 to 4/255"], "1/255": []}


def test_accuracy_is_stored_once_for_each_run(root: Path) -> None:
    data = explorable(Results(root))
    assert len(data["courses"]) == len(data["runs"]) == 42
    assert len(data["curves"]) == 42 * len(data["measures"])


def of_two_sizes(root: Path, shifted: int) -> Results:
    """The study with so many images in its shifted test sets."""
    results = Results(root)
    probes = results.probes
    elsewhere = (probes["probe"] == "shift") & (probes["test_set"] != probes["dataset"])
    results.probes = probes.assign(n=probes["n"].mask(elsewhere, shifted))
    return results


def test_accuracy_and_robustness_to_a_shift_are_each_of_their_own_images(root: Path) -> None:
    data = explorable(of_two_sizes(root, 77))
    own = Results(root).probes["n"].iloc[0]
    assert len(data["courses"]) == 42
    assert {course["n"] for course in data["courses"]} == {own}
    for curve in data["curves"]:
        assert curve.get("robustness_n") == (77 if curve["measure"].startswith("shift ") else None)


def test_every_run_says_what_it_cost(root: Path) -> None:
    for run in explorable(Results(root))["runs"]:
        # As tests/synthetic_results.py writes it: 60.5 s in two processes, and three probes of 12.25 s.
        assert (run["fine_tuning"], run["with_probes"]) == (121.0, 157.75)
        assert run["trainable"] == 1000 * (1 + SEVEN.index(run["family"]))


def test_variants_of_a_sweep_have_areas_of_their_own_beside_their_familys(tmp_path: Path) -> None:
    root = tmp_path / "study"
    write_study(
        root, strategies=("full", "lora"), variants={"lora": ("rank 4", "rank 8")}, n=40, steps=(0, 10, 40)
    )
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    pareto_auc.main(["--results", str(root), "--bootstrap", "0"])
    data = explorable(Results(root))
    found = data["areas"]["pgd 4/255"]["0"]
    assert set(found) == {"full", "lora", "lora-rank4", "lora-rank8"}
    assert {run["strategy"] for run in data["runs"]} == {"full", "lora-rank4", "lora-rank8"}
    for curve in unfolded(data):
        if (curve["measure"], curve["family"]) == ("pgd 4/255", "lora"):
            # By counting the points of a grid that a snapshot dominates, on multiples of 1/40.
            reached = zip(np.array(curve["accuracy"]) * 40, np.array(curve["robustness"]) * 40, strict=True)
            grid = np.zeros((40, 40), bool)
            for accuracy, robustness in reached:
                grid[: round(accuracy), : round(robustness)] = True
            assert found[curve["strategy"]] == [pytest.approx(grid.mean()), None, None]


def test_a_thinned_page_keeps_the_first_the_last_and_the_best_snapshots(root: Path) -> None:
    whole, thinned = (unfolded(explorable(Results(root), every)) for every in (1, 3))
    assert len(whole) == len(thinned)
    for all_, some in zip(whole, thinned, strict=True):
        kept = [i for i, best in enumerate(all_["best"]) if best or i in (0, 3)]
        assert [some[key] for key in ("step", "accuracy", "robustness")] == [
            [all_[key][i] for i in kept] for key in ("step", "accuracy", "robustness")
        ]
    assert any(len(some["step"]) < 4 for some in thinned)


def test_flags_cost_and_provenance_are_told(root: Path) -> None:
    words = " ".join("".join(Text((root / "explorer.html").read_text()).words).split())
    assert "step 0: made up" in words
    assert "1 warning" in words
    assert "fine_tune422,541.060.51.41" in words.replace(" ", "")  # 42 runs of 60.5 s, each on two devices
    run = read_sealed(root / "study.json")["runs"][0]
    assert run["digest"][:12] in words
    assert "torch 2.9" in words
    assert "bootstrap_seed: 0" in words


def test_a_study_without_attacks_says_so_and_still_has_a_page(tmp_path: Path) -> None:
    write_study(tmp_path / "study", strategies=("full", "lora"), n=20, steps=(0, 10))
    study = read_sealed(tmp_path / "study" / "study.json")
    study["params"]["study"]["probes"] = ["shift"]
    for run in study["runs"]:
        del run["probes"]["pgd"]
    root = tmp_path / "study"
    write_sealed(root / "study.json", study)
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    set_tables(root)
    stand_in_figures(root)
    html = page(Results(root))
    assert "No attack was probed" in html
    assert "list an attack probe in study.probes" in html
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])  # type: ignore[index]
    assert [measure["key"] for measure in data["measures"]] == ["shift typeset_digits"]


def test_intervals_are_called_what_they_are(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "study")
    study = read_sealed(tmp_path / "study" / "study.json")

    def words(**settings: Any) -> str:
        study["params"]["tradeoff"] |= settings
        write_sealed(tmp_path / "study" / "study.json", study)
        html = page(Results(tmp_path / "study"))
        return " ".join(
            "".join(Text(html.partition('id="reading"')[2].partition("</section>")[0]).words).split()
        )

    assert "accuracy and robustness are 95% intervals" in words()
    assert "trade-off AUC are 95% intervals from a bootstrap over test images; they do not cover" in words()
    assert "trade-off AUC are 99% intervals from a bootstrap" in words(confidence=0.99)
    assert "Trade-off AUC has none here" in words(bootstrap=0)


def test_tables_say_what_they_are_from_and_what_they_show(root: Path) -> None:
    html = (root / "explorer.html").read_text()
    for name in available(Results(root).study, TABLES):
        part = html.partition(f'<article id="table-{name}">')[2].partition("</article>")[0]
        about = read_sealed(root / "tables" / f"{name}.record.json")
        assert f"<code>{about['sha256'][f'{name}.csv'][:12]}</code>" in part
        assert f"<code>{about['code'][:12]}</code>" in part
        for path, sha256 in about["from"].items():
            assert (
                f"{'tables/' * (path[0] != '.')}{path.removeprefix('../')} <code>{sha256[:12]}</code>"
                in part.replace("tables/../", "")
            )
        assert "<summary>What it shows</summary><p>" in part
        assert {f"tables/{name}.{kind}" for kind in ("csv", "md", "tex")} == set(Text(part).references)


def test_sections_of_tables_and_figures_begin_with_a_list_of_them(root: Path) -> None:
    html = (root / "explorer.html").read_text()
    for kind, names in (
        ("table", [name for name in available(Results(root).study, TABLES) if name != "flags"]),
        ("figure", available(Results(root).study)),
    ):
        section = html.partition(f'<section id="{kind}s">')[2].partition("</nav>")[0]
        assert Text(section).references == [f"#{kind}-{name}" for name in names]


def test_a_table_alone_is_a_page_with_its_words(root: Path) -> None:
    """Snakemake's report shows it."""
    html = (root / "tables" / "auc.html").read_text()
    words = "".join(Text(html).words)
    assert html.startswith("<!doctype html>")
    assert "<strong>" in html
    for family in SEVEN:
        assert look(family).label in words
    assert HOSTILE not in document(Table(HOSTILE, [HOSTILE], [[Cell(HOSTILE)]], pd.DataFrame()), HOSTILE)


@pytest.mark.parametrize("name", list(TABLES))
def test_every_table_says_what_it_shows(name: str) -> None:
    html = caption(name, "A study of <b>")
    assert not set("*`{}") & set("".join(Text(html).words))
    assert set(Text(html).tags) <= {"p", "strong", "em", "code"}


@pytest.mark.parametrize("figure", list(FIGURES))
def test_every_figure_says_how_to_read_it(figure: str) -> None:
    html = caption(figure, "A study of <b>")
    words = "".join(Text(html).words)
    assert "How to read it: " in words
    assert not set("*`{}") & set(words)
    assert set(Text(html).tags) <= {"p", "strong", "em", "code"}


def test_figures_are_shown_with_letters_of_one_size(root: Path) -> None:
    html = (root / "explorer.html").read_text()
    assert set(re.findall(r'<img [^>]*--inches: ([\d.]+)"', html)) == {
        "0.300"
    }  # 60 pixels, at 200 to the inch


def test_a_missing_figure_is_named(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "study")
    (tmp_path / "study" / "figures" / "frontiers.png").unlink()
    with pytest.raises(UserError, match=r"frontiers\.png: found no such file"):
        page(Results(tmp_path / "study"))


def test_a_figure_that_changed_after_it_was_drawn_is_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "study")
    Image.new("RGBA", (60, 40), "black").save(tmp_path / "study" / "figures" / "frontiers.png")
    with pytest.raises(UserError, match=r"frontiers\.png: found sha256"):
        page(Results(tmp_path / "study"))


def test_a_figure_is_said_to_be_from_what_its_record_names(root: Path, tmp_path: Path) -> None:
    """Not from today's code and tables, which could be others."""
    shutil.copytree(root, tmp_path / "study")
    record = tmp_path / "study" / "figures" / "frontiers.record.json"
    about = read_sealed(record)
    about["from"] = {"../tables/frontiers.csv": "abcdef012345" + "0" * 52}
    write_sealed(record, about)
    caption = (
        page(Results(tmp_path / "study")).partition('id="figure-frontiers"')[2].partition("</figure>")[0]
    )
    words = "".join(Text(caption).words)
    assert f"drawn by code {DRAWN_BY[:12]} from tables/frontiers.csv abcdef012345." in words


ONE_BUDGET = {name: {key: one[key] for key in one if key != "sweep"} for name, one in ROBUST.items()}
LARGE: dict[str, dict[str, Any]] = {
    "iccv2025": {
        "datasets": ("cifar10", "cifar100", "caltech256", "cub200", "stanford_dogs"),
        "steps": tuple(range(0, 160, 4)),
        "epsilons": (1 / 255,),
    },
    "joint": {
        "datasets": ("caltech256", "cub200", "stanford_dogs"),
        "backbones": ("vit_b16", "vit_b16_augreg_in1k", "swin_b"),
        "objectives": ("standard", "rft_fix", "rft_sched", "rft_uniform", "rft_auto", "trades"),
        "steps": (0, 1, 2, 5, 10, 20, 40, 80, 120, 160),
        "epsilons": tuple(k / 255 for k in range(1, 12)),
    },
}


@pytest.mark.parametrize(("study", "runs", "curves"), [("iccv2025", 35, 35), ("joint", 378, 378 * (11 + 1))])
def test_a_page_of_a_large_study_stays_below_ten_megabytes(
    study: str, runs: int, curves: int, tmp_path: Path
) -> None:
    """With as many runs, snapshots and threats as studies/<study>.yaml, and a real figure for each of its figures."""
    root = tmp_path / "study"
    write_study(root, n=40, shifts=(), corruptions=(), sections=ONE_BUDGET, **LARGE[study])
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    gather_tasks.main(["--results", str(root)])
    pareto_auc.main(["--results", str(root), "--bootstrap", "2"])
    set_tables(root)
    with Image.open(PRINTED) as picture:
        stand_in_figures(root, picture=picture)
    html = page(Results(root))
    assert len(html.encode()) <= LARGEST == 10_000_000
    assert html.count("<img ") == len(available(Results(root).study))
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])  # type: ignore[index]
    assert (len(data["runs"]), len(data["curves"])) == (runs, curves)
    assert all("at" not in curve for curve in data["curves"])  # nothing is left out of the plots


def test_pictures_shrink_until_the_page_is_small_enough_and_the_page_says_so(
    root: Path, tmp_path: Path
) -> None:
    """Three pages of noise, which nothing packs."""
    shutil.copytree(root, tmp_path / "study")
    noise = np.random.default_rng(0).integers(0, 256, (1720, 1380, 3), dtype=np.uint8)
    stand_in_figures(tmp_path / "study", ["trajectories", "frontiers", "shift"], Image.fromarray(noise))
    html = page(Results(tmp_path / "study"))
    assert len(html.encode()) <= LARGEST
    shown = re.search(r"pictures are shown at (\d+)% of their resolution", html)
    assert shown
    source = re.search(
        r'--inches: 6\.900" src="data:image/webp;base64,(.*?)"', html
    )  # as wide as it was drawn
    assert source
    with Image.open(io.BytesIO(base64.b64decode(source[1]))) as picture:
        assert picture.size == (1380 * int(shown[1]) // 100, 1720 * int(shown[1]) // 100)


def test_a_page_that_cannot_be_small_is_as_small_as_can_be(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = page(Results(root))
    monkeypatch.setattr(page_module, "LARGEST", 1000)
    least = page(Results(root))
    assert "pictures are left out" in least
    assert "the plots show one snapshot in 32" in least
    assert "<img " not in least
    assert len(least) < len(whole)


@pytest.fixture(scope="module")
def chrome() -> Iterator[WebDriver]:
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium and chromedriver installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chrome: WebDriver, root: Path) -> WebDriver:
    """The page, freshly opened, with the mouse in its margin, where it points at nothing."""
    mouse = ActionBuilder(chrome)
    mouse.pointer_action.move_to_location(2, 2)  # type: ignore[no-untyped-call]
    mouse.perform()
    chrome.get((root / "explorer.html").as_uri())
    return chrome


def drawn(browser: WebDriver, plot: str) -> list[dict[str, Any]]:
    """The traces of a plot that stand for runs."""
    script = (
        "return document.getElementById(arguments[0]).data.filter(t => t.text)"
        ".map(t => ({name: t.name, x: [...t.x], y: [...t.y], colour: t.marker.color}))"
    )
    traces: list[dict[str, Any]] = browser.execute_script(script, plot)
    return traces


def choose(browser: WebDriver, name: str, value: str) -> None:
    Select(browser.find_element(By.ID, name)).select_by_value(value)


def test_the_page_opens_without_an_error_and_asks_the_network_for_nothing(browser: WebDriver) -> None:
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    asked = [
        json.loads(entry["message"])["message"]["params"]["request"]["url"]
        for entry in browser.get_log("performance")  # type: ignore[no-untyped-call]
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}
    assert all(
        browser.find_elements(By.CSS_SELECTOR, f"#{plot} .plotly") for plot in ("frontier", "accuracy")
    )


def test_every_choice_changes_what_is_drawn(browser: WebDriver) -> None:
    for control, value in (
        ("dataset", "letters"),
        ("objective", "rft_sched-epsilon4_255"),
        ("measure", "shift typeset_digits"),
        ("scale", "linear"),
    ):
        before = drawn(browser, "robustness")
        choose(browser, control, value)
        after = drawn(browser, "robustness")
        assert len(after) == len(SEVEN)
        assert before != after
        assert drawn(browser, "frontier")
    assert (
        "letters · tiny_vit · RFT sched 4/255 · Out of distribution"
        in browser.find_element(By.ID, "choice").text
    )
    box = browser.find_element(By.CSS_SELECTOR, "#strategies input[value=lora]")
    box.click()
    assert [trace["name"] for trace in drawn(browser, "frontier")].count("LoRA") == 0
    assert len(drawn(browser, "accuracy")) == len(SEVEN) - 1
    browser.find_element(By.ID, "none").click()
    assert drawn(browser, "accuracy") == []
    browser.find_element(By.ID, "all").click()
    assert len(drawn(browser, "accuracy")) == len(SEVEN)
    choose(browser, "measure", "pgd 4/255")
    choose(browser, "objective", "*")
    names = [trace["name"] for trace in drawn(browser, "accuracy")]
    assert len(names) == 3 * len(SEVEN)
    assert {"LoRA, Standard", "LoRA, RFT sched 4/255"} < set(names)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#areas tbody tr")) == 3 * len(SEVEN)
    groups = browser.find_elements(By.CSS_SELECTOR, "#measure optgroup")
    assert [group.get_attribute("label") for group in groups] == [  # type: ignore[no-untyped-call]
        *("Adversarial: PGD-15, ℓ∞", "Out of distribution: shift", "Corruptions: common")
    ]
    choose(browser, "measure", "common")
    assert (
        "Corruptions: mean over kinds and severities (common)" in browser.find_element(By.ID, "choice").text
    )
    assert len(drawn(browser, "frontier")) == len(drawn(browser, "robustness")) == 3 * len(SEVEN)
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def in_page(browser: WebDriver) -> list[dict[str, Any]]:
    text: str = browser.find_element(By.ID, "data").get_property("textContent")  # type: ignore[assignment]
    return unfolded(json.loads(text))


def test_the_arrow_keys_walk_through_snapshots_in_words_and_in_all_plots(browser: WebDriver) -> None:
    plot = browser.find_element(By.ID, "frontier")
    plot.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    words = browser.find_element(By.ID, "snapshot").text
    assert words.startswith("Full, step 10 ")
    plot.send_keys(Keys.ARROW_DOWN)
    assert browser.find_element(By.ID, "snapshot").text.startswith("Linear, step 10 ")
    for name in ("frontier", "accuracy", "robustness"):
        shown = f"#{name} .hoverlayer"  # Plotly takes its time where keys follow each other fast
        WebDriverWait(browser, 5).until(
            lambda at, shown=shown: "Linear, step 10" in at.find_element(By.CSS_SELECTOR, shown).text
        )
    curve = next(
        curve
        for curve in in_page(browser)
        if curve["measure"] == "pgd 4/255" and curve["strategy"] == "full" and curve["dataset"] == "digits"
    )
    assert f"accuracy {100 * curve['accuracy'][1]:.1f}%" in words
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def pointed_at(browser: WebDriver, plot: str, trace: int, index: int) -> str:
    """Move the mouse from elsewhere onto a marker of a plot; return the words that the plot then shows."""
    script = """
        const plot = document.getElementById(arguments[0]);
        plot.scrollIntoView({ block: "center" });
        const box = plot.getBoundingClientRect();
        const trace = plot.data[arguments[1]];
        const { xaxis, yaxis } = plot._fullLayout;
        return [[xaxis, "x", box.left], [yaxis, "y", box.top]]
          .map(([axis, key, start]) => Math.round(start + axis._offset + axis.c2p(axis.d2c(trace[key][arguments[2]]))));
    """
    x, y = browser.execute_script(script, plot, trace, index)  # type: ignore[no-untyped-call]
    mouse = ActionBuilder(browser)
    for place in ((5, 5), (x + 30, y + 30), (x + 1, y), (x, y)):
        mouse.pointer_action.move_to_location(*place)  # type: ignore[no-untyped-call]
    mouse.perform()
    label = (By.CSS_SELECTOR, f"#{plot} .hoverlayer .hovertext")
    WebDriverWait(browser, 5).until(lambda _: browser.find_elements(*label))  # type: ignore[no-untyped-call]
    return browser.find_element(*label).text


def test_the_mouse_shows_a_snapshots_step_and_values(browser: WebDriver, root: Path) -> None:
    probes = Results(root).probes
    rows = probes[(probes["run"] == "digits/tiny_vit/lora/standard/seed0") & (probes["probe"] == "pgd")]
    rows = rows[rows["step"] == 160]
    rows = rows.set_index((rows["epsilon"] * 255).round())
    expected = [
        f"{100 * row['correct'] / 60:.1f}% [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
        for row in (rows.loc[epsilon] for epsilon in (0, 4))
    ]
    assert len(set(expected)) == 2
    browser.find_element(By.ID, "none").click()
    browser.find_element(By.CSS_SELECTOR, "#strategies input[value=lora]").click()
    for plot in ("accuracy", "robustness"):
        words = pointed_at(browser, plot, 0, 3)
        assert "LoRA" in words
        assert "step 160" in words
        for share in expected:
            assert share in words
            assert share in browser.find_element(By.ID, "snapshot").text
        assert "step 160" in browser.find_element(By.CSS_SELECTOR, "#frontier .hoverlayer").text


def test_cost_stands_against_areas_for_the_mouse_and_for_the_keyboard(browser: WebDriver, root: Path) -> None:
    areas = pd.read_csv(root / "tables" / "pareto_auc.csv")
    areas = areas[(areas["dataset"] == "digits") & (areas["objective"] == "standard")]
    areas = areas[np.isclose(areas["epsilon"], 4 / 255)].set_index("family")
    script = (
        "return document.getElementById('expense').data"
        ".map(t => [t.x[0], t.y[0], t.error_y.array[0], t.error_y.arrayminus[0]])"
    )
    found = browser.execute_script(script)  # type: ignore[no-untyped-call]
    for place, (family, values) in enumerate(zip(SEVEN, found, strict=True)):
        one = areas.loc[family]
        wanted = (1000 * (place + 1), one["auc"], one["high"] - one["auc"], one["auc"] - one["low"])
        assert values == pytest.approx(wanted, abs=1e-8)
    full = areas.loc["full"]
    interval = f"{full['auc']:.3f} [{full['low']:.3f}, {full['high']:.3f}]"
    words = pointed_at(browser, "expense", 0, 0)
    assert "Full" in words
    assert "Trainable parameters: 1,000" in words
    assert interval in words
    assert interval in browser.find_element(By.ID, "score").text
    browser.find_element(By.ID, "expense").send_keys(Keys.ARROW_RIGHT)
    assert browser.find_element(By.ID, "score").text.startswith("Linear; Trainable parameters: 2,000;")
    choose(browser, "paid", "with_probes")
    browser.find_element(By.ID, "expense").send_keys(Keys.ARROW_RIGHT)
    assert "Seconds of fine-tuning and probes: 158;" in browser.find_element(By.ID, "score").text
    for measure, shown in (("shift typeset_digits", False), ("pgd expected", False), ("pgd 4/255", True)):
        choose(browser, "measure", measure)
        assert browser.find_element(By.ID, "expense").is_displayed() == shown
        assert bool(browser.find_elements(By.CSS_SELECTOR, "#areas table")) == shown
        assert ("There is no trade-off AUC" in browser.find_element(By.ID, "areas").text) == (not shown)
        # The key of colours and markers is always there.
        assert len(browser.find_elements(By.CSS_SELECTOR, "#areas .swatch")) == len(SEVEN)
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_any_measure_may_stand_on_the_horizontal_axis(browser: WebDriver) -> None:
    choose(browser, "across", "shift typeset_digits")
    curves = {
        curve["measure"]: curve
        for curve in in_page(browser)
        if (curve["dataset"], curve["objective"], curve["strategy"]) == ("digits", "standard", "lora")
    }
    lora = next(trace for trace in drawn(browser, "frontier") if trace["name"] == "LoRA")
    assert lora["x"] == pytest.approx([100 * share for share in curves["shift typeset_digits"]["robustness"]])
    assert lora["y"] == pytest.approx([100 * share for share in curves["pgd 4/255"]["robustness"]])
    assert not browser.find_elements(By.CSS_SELECTOR, "#areas table")
    assert "drawn over accuracy" in browser.find_element(By.ID, "areas").text
    skipped = (
        "return document.getElementById('frontier').data.filter(t => !t.text && t.mode === 'lines').length"
    )
    assert browser.execute_script(skipped) == 0  # type: ignore[no-untyped-call]
    assert "Accuracy on typeset_digits: " in pointed_at(browser, "accuracy", 0, 2)
    # No measure against itself.
    choose(browser, "measure", "shift typeset_digits")
    assert browser.find_element(By.ID, "across").get_property("value") == ""
    choose(browser, "measure", "pgd 4/255")
    assert browser.execute_script(skipped) == len(SEVEN)  # type: ignore[no-untyped-call]
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_snapshots_on_a_frontier_have_bars(browser: WebDriver) -> None:
    script = (
        "return document.getElementById('frontier').data.filter(t => t.error_y).map(t => ["
        "t.x.map((x, i) => [x - t.error_x.arrayminus[i], x + t.error_x.array[i]]),"
        "t.y.map((y, i) => [y - t.error_y.arrayminus[i], y + t.error_y.array[i]])])"
    )
    bars = browser.execute_script(script)  # type: ignore[no-untyped-call]
    curves = [
        curve
        for curve in in_page(browser)
        if (curve["measure"], curve["dataset"], curve["objective"]) == ("pgd 4/255", "digits", "standard")
    ]
    assert len(bars) == len(curves) == len(SEVEN)
    for (x, y), curve in zip(bars, curves, strict=True):
        kept = [i for i, best in enumerate(curve["best"]) if best]
        for found, low, high in ((x, "low", "high"), (y, "robustness_low", "robustness_high")):
            wanted = [[100 * curve[low][i], 100 * curve[high][i]] for i in kept]
            assert np.array(found) == pytest.approx(np.array(wanted), abs=1e-6)


def test_swatches_tell_strategies_apart_by_marker_and_colour(browser: WebDriver) -> None:
    script = (
        "return [...document.querySelectorAll(arguments[0])].map(s => { const m = s.querySelector('.marker');"
        "return [m.getAttribute('points') || m.getAttribute('d'), s.querySelector('line').getAttribute('stroke')]; })"
    )
    for place in ("#strategies .swatch", "#areas .swatch"):
        swatches = browser.execute_script(script, place)  # type: ignore[no-untyped-call]
        assert (
            len({marker for marker, _ in swatches}) == len({colour for _, colour in swatches}) == len(SEVEN)
        )


def test_tab_reaches_every_control_and_every_plot_in_order(browser: WebDriver) -> None:
    browser.execute_script("document.activeElement.blur(); window.getSelection().removeAllRanges()")  # type: ignore[no-untyped-call]
    browser.find_element(By.TAG_NAME, "h2").click()
    reached: list[str] = []
    while "expense" not in reached and len(reached) < 100:
        browser.switch_to.active_element.send_keys(Keys.TAB)
        active = browser.switch_to.active_element
        reached.append(str(active.get_property("id") or active.get_property("value")))
    wanted = ["dataset", "backbone", "objective", "measure", "across", "scale", *SEVEN, "all", "none"]
    wanted += ["frontier", "accuracy", "robustness", "paid", "expense"]
    assert [name for name in reached if name in wanted] == wanted


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_nothing_is_wider_than_the_screen(browser: WebDriver, width: int) -> None:
    about = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 800}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", about)  # type: ignore[no-untyped-call]
    script = (
        "return [document.documentElement, ...document.querySelectorAll('.plot')].map(e => e.scrollWidth)"
    )
    # The plots follow the window a moment later.
    WebDriverWait(browser, 5).until(lambda _: max(browser.execute_script(script)) <= width)  # type: ignore[no-untyped-call]
    # Nor is the name of an axis cut, whatever stands there.
    inside = """
        return [...document.querySelectorAll(".plot")].flatMap((plot) => {
          const box = plot.getBoundingClientRect();
          return [...plot.querySelectorAll(".xtitle, .ytitle")].map((title) => title.getBoundingClientRect())
            .map((one) => one.top >= box.top - 1 && one.bottom <= box.bottom + 1
              && one.left >= box.left - 1 && one.right <= box.right + 1);
        });
    """
    for axis in ("measure", "across"):  # upwards, then to the right
        for option in browser.find_elements(By.CSS_SELECTOR, f"#{axis} option:enabled"):
            choose(browser, axis, str(option.get_attribute("value")))  # type: ignore[no-untyped-call]
            titles = WebDriverWait(browser, 5).until(lambda _: browser.execute_script(inside))  # type: ignore[no-untyped-call]
            assert len(titles) > 4
            assert all(titles), (axis, option.get_attribute("value"))  # type: ignore[no-untyped-call]


def test_the_heading_says_how_many_images_each_measure_is_of(
    chrome: WebDriver, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "two.html").write_text(page(of_two_sizes(root, 77)), encoding="utf-8")
    chrome.get((tmp_path / "two.html").as_uri())
    own = Results(root).probes["n"].iloc[0]
    assert chrome.find_element(By.ID, "choice").text.endswith(f"n = {own} test images")
    shifts = [
        str(option.get_attribute("value"))  # type: ignore[no-untyped-call]
        for option in chrome.find_elements(By.CSS_SELECTOR, "#measure option")
        if option.get_attribute("value").startswith("shift ")  # type: ignore[no-untyped-call, union-attr]
    ]
    choose(chrome, "measure", shifts[0])
    assert chrome.find_element(By.ID, "choice").text.endswith(f"n = {own} test images, robustness on 77")


@pytest.fixture
def printed(browser: WebDriver, tmp_path: Path) -> Path:
    """The page as it is printed, at its widest: with all objectives, and everything that is folded opened."""
    choose(browser, "objective", "*")
    everything = "document.querySelectorAll('details').forEach(one => { one.open = arguments[0]; })"
    browser.execute_script(everything, True)  # type: ignore[no-untyped-call]
    path = tmp_path / "printed.pdf"
    path.write_bytes(base64.b64decode(browser.print_page()))
    return path


def test_no_table_is_cut_on_paper(printed: Path, browser: WebDriver) -> None:
    if not PDFTOTEXT:
        pytest.skip("no pdftotext installed (Debian: poppler-utils)")
    html = subprocess.run(
        [PDFTOTEXT, "-bbox", printed, "-"], check=True, capture_output=True, text=True
    ).stdout
    sheets = re.findall(r'<page width="([\d.]+)".*?>(.*?)</page>', html, re.DOTALL)
    assert 5 < len(sheets) < 60
    for width, words in sheets:
        ends = [float(end) for end in re.findall(r'xMax="([\d.]+)"', words)]
        assert max(ends, default=0) < float(width) - 20  # within the margin
    # What lies beyond the paper is not listed: the last cell of every row is.
    script = (
        "return [...document.querySelectorAll('#tables table')].flatMap(t => [...t.rows])"
        ".map(r => r.cells[r.cells.length - 1].innerText)"
    )
    cells = browser.execute_script(script)  # type: ignore[no-untyped-call]
    listed = set(re.findall(r">([^<>]+)</word>", html))
    assert len(cells) > 100
    for cell in cells:
        assert set(escaped(cell).split()) <= listed


def test_it_prints_without_controls(browser: WebDriver) -> None:
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})  # type: ignore[no-untyped-call]
    assert not browser.find_element(By.ID, "controls").is_displayed()
    assert not browser.find_element(By.ID, "paid").is_displayed()
    assert browser.find_element(By.ID, "choice").is_displayed()
    # The key of colours stays.
    assert browser.find_element(By.CSS_SELECTOR, "#areas .swatch").is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})  # type: ignore[no-untyped-call]
