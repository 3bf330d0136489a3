"""The explorer: one file that needs nothing else, says what the results say, and works in a browser."""

import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import Select, WebDriverWait
from synthetic_results import SEVEN, write_study

from tradeoff.artifacts import FIGURES, available
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.errors import UserError
from tradeoff.files import write_json
from tradeoff.report.captions import caption
from tradeoff.report.curves import explorable
from tradeoff.report.page import page
from tradeoff.seals import read_sealed, write_record, write_sealed
from workflow_scripts import gather, pareto_auc, write_explorer

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
HOSTILE = '<script>alert("x")</script> & </script><b>'
LARGEST = 10 * 2**20  # bytes
DRAWN_BY = "0ddc0de0ddc0de00"  # the code of the figures


def made(root: Path, **settings: Any) -> Path:
    """A study, its tables, a flag, stand-ins for its figures, and its page below `root`."""
    write_study(root, n=60, **settings)
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    flag = {"run": "digits/tiny_vit/ia3/standard/seed0", "probe": "pgd", "flag": "step 0: made up"}
    plant_flag(root, flag)
    pareto_auc.main(["--results", str(root), "--bootstrap", "20"])
    stand_in_figures(root)
    write_explorer.main(["--results", str(root)])
    return root


def plant_flag(root: Path, flag: dict[str, str]) -> None:
    """Write a flag as if gathering had found it."""
    tables = root / "tables"
    write_json(tables / "flags.json", [flag])
    made = [tables / name for name in ("probes.parquet", "training.parquet", "runs.csv", "flags.json")]
    write_record(tables / "gather.record.json", made, [], "c0de")


def stand_in_figures(root: Path) -> None:
    (root / "figures").mkdir()
    for name in available(Results(root).study):
        for kind in ("pdf", "csv"):
            (root / "figures" / f"{name}.{kind}").touch()
        Image.new("RGBA", (60, 40), "white").save(root / "figures" / f"{name}.png")
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
    assert path.stat().st_size < LARGEST
    references = Text(path.read_text()).references
    assert len([one for one in references if one.startswith("data:image/webp")]) == len(
        available(Results(root).study)
    )
    for reference in references:
        assert reference.startswith(("data:", "#", "figures/")), reference


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
    text = Text(page(Results(tmp_path / "study")))
    assert HOSTILE in "".join(text.words)
    assert text.tags.count("script") == 3
    assert "b" not in text.tags


def test_the_plots_hold_the_shares_of_the_probes_and_the_areas_of_the_table(root: Path) -> None:
    results = Results(root)
    data = explorable(results)
    probes = results.probes
    row = probes[(probes["probe"] == "pgd") & (probes["epsilon"] > 4.5 / 255) & (probes["step"] == 40)].iloc[
        5
    ]
    curve = next(
        curve
        for curve in data["curves"]
        if curve["measure"] == "pgd 8/255"
        and all(curve[key] == row[key] for key in ("dataset", "objective", "strategy"))
    )
    index = curve["step"].index(40)
    assert curve["robustness"][index] == pytest.approx(row["correct"] / row["n"], abs=1e-5)
    shift = probes[(probes["test_set"] == "typeset_digits") & (probes["run"] == row["run"])]
    shifted = next(
        curve
        for curve in data["curves"]
        if curve["measure"] == "shift typeset_digits"
        and all(curve[key] == row[key] for key in ("dataset", "objective", "strategy"))
    )
    assert shifted["robustness"] == pytest.approx((shift["correct"] / shift["n"]).tolist(), abs=1e-5)
    corrupted = probes[(probes["probe"] == "common") & (probes["severity"] > 0) & (probes["step"] == 40)]
    mean = next(
        curve
        for curve in data["curves"]
        if curve["measure"] == "common"
        and all(curve[key] == row[key] for key in ("dataset", "objective", "strategy"))
    )
    of_run = corrupted[corrupted["run"] == row["run"]]
    assert len(of_run) > 20
    assert mean["robustness"][index] == pytest.approx((of_run["correct"] / of_run["n"]).mean(), abs=1e-5)
    areas = pd.read_csv(root / "tables" / "pareto_auc.csv")
    assert sorted(area["auc"] for area in data["areas"]) == pytest.approx(sorted(areas["auc"]), abs=1e-5)


def test_a_snapshot_is_best_when_none_of_its_family_and_seed_beats_it(root: Path) -> None:
    groups: dict[tuple[Any, ...], list[tuple[float, float, bool]]] = {}
    for curve in explorable(Results(root))["curves"]:
        key = tuple(curve[name] for name in ("measure", "dataset", "backbone", "objective", "family", "seed"))
        groups.setdefault(key, []).extend(
            zip(curve["accuracy"], curve["robustness"], curve["best"], strict=True)
        )
    for members in groups.values():
        for a, r, best in members:
            beaten = any((x >= a and y >= r) and (x > a or y > r) for x, y, _ in members)
            assert best == (not beaten)


def test_the_plots_have_the_colours_of_the_figures(root: Path) -> None:
    for family in explorable(Results(root))["families"]:
        assert family["colour"] == look(family["name"]).colour
        assert family["label"] == look(family["name"]).label


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
    stand_in_figures(root)
    html = page(Results(root))
    assert "No attack was probed" in html
    assert "list an attack probe in study.probes" in html
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])  # type: ignore[index]
    assert [measure["key"] for measure in data["measures"]] == ["shift typeset_digits"]


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


@pytest.fixture(scope="module")
def browser(root: Path) -> Iterator[WebDriver]:
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium and chromedriver installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.get((root / "explorer.html").as_uri())
    yield driver
    driver.quit()


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
    for control, value in (("dataset", "digits"), ("objective", "standard"), ("measure", "pgd 4/255")):
        choose(browser, control, value)
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_the_arrow_keys_walk_through_snapshots_in_words_and_in_all_plots(browser: WebDriver) -> None:
    plot = browser.find_element(By.ID, "frontier")
    plot.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    words = browser.find_element(By.ID, "snapshot").text
    assert words.startswith("Full, step 10 ")
    plot.send_keys(Keys.ARROW_DOWN)
    assert browser.find_element(By.ID, "snapshot").text.startswith("Linear, step 10 ")
    for name in ("frontier", "accuracy", "robustness"):
        assert "step 10" in browser.find_element(By.CSS_SELECTOR, f"#{name} .hoverlayer").text
    curve = next(
        curve
        for curve in json.loads(browser.find_element(By.ID, "data").get_property("textContent"))["curves"]  # type: ignore[arg-type]
        if curve["measure"] == "pgd 4/255" and curve["strategy"] == "full" and curve["dataset"] == "digits"
    )
    assert f"accuracy {100 * curve['accuracy'][1]:.1f}%" in words
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(browser: WebDriver, width: int) -> None:
    about = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 800}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", about)  # type: ignore[no-untyped-call]
    script = (
        "return [document.documentElement, ...document.querySelectorAll('.plot')].map(e => e.scrollWidth)"
    )
    # The plots follow the window a moment later.
    WebDriverWait(browser, 5).until(lambda _: max(browser.execute_script(script)) <= width)  # type: ignore[no-untyped-call]


def test_it_prints_on_few_pages_without_controls(browser: WebDriver) -> None:
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})["data"]  # type: ignore[no-untyped-call]
    assert len(printed) > 10_000
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})  # type: ignore[no-untyped-call]
    assert not browser.find_element(By.ID, "controls").is_displayed()
    assert browser.find_element(By.ID, "choice").is_displayed()
    # The key of colours stays.
    assert browser.find_element(By.CSS_SELECTOR, "#areas .swatch").is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})  # type: ignore[no-untyped-call]
