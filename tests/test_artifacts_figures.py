"""Figures: drawn from any study that supports them, nothing overlapping, byte for byte the same again."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import docutils.core
import jinja2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from scipy.stats import pearsonr, permutation_test, spearmanr
from synthetic_results import GRID, RAMPS, ROBUST, SEVEN, seal_run, write_study

from tradeoff.analysis.points import under
from tradeoff.artifacts import FIGURES, TABLES, available, load, pages, style, unavailable
from tradeoff.artifacts.comparisons import method_key
from tradeoff.artifacts.looks import look, method_look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.sweeps import sweeps
from tradeoff.artifacts.tables import auc as auc_table
from tradeoff.artifacts.tables import objectives
from tradeoff.errors import UserError
from tradeoff.seals import read_sealed, write_sealed
from workflow_scripts import draw_figure, gather, gather_tasks, pareto_auc

REPORT = Path(__file__).parents[1] / "report"
SEVEN_DATASETS = (
    *("cifar10", "cifar100", "caltech101"),
    *("pacs.photo", "pacs.art_painting", "pacs.cartoon", "pacs.sketch"),
)
TWELVE = (*SEVEN, "norm", "lp_ft", "dora", "vpt", "union")


def study(root: Path, **settings: object) -> Results:
    write_study(root, n=60, **settings)  # type: ignore[arg-type]
    gather.main(["--study", str(root / "study.json"), "--results", str(root)])
    gather_tasks.main(["--results", str(root)])
    pareto_auc.main(["--results", str(root), "--bootstrap", "20"])
    return Results(root)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return study(tmp_path_factory.mktemp("one"), strategies=TWELVE)


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Results:
    datasets = ("cifar10", "cifar100", "caltech256", "cub200", "stanford_dogs", "places365")
    return study(tmp_path_factory.mktemp("six"), datasets=datasets, shifts=("a", "b", "c"))


@pytest.fixture(scope="module")
def robust(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Six robust objectives at two ε_g, three strategies, two attacks: a small study of the second paper's kind."""
    return study(
        tmp_path_factory.mktemp("robust"),
        strategies=("full", "lora", "bitfit"),
        objectives=("standard", "rft_fix", "rft_sched", "rft_uniform", "rft_auto", "rft_switch", "trades"),
        seeds=(0, 1),
        steps=(0, 64, 640),
        epsilons=GRID,
        shifts=(),
        corruptions=(),
        attacks=("pgd", "autoattack"),
    )


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Cells of the second paper, and ramps with different T1 and T2."""
    return study(
        tmp_path_factory.mktemp("paper"),
        datasets=("cars",),
        backbones=("vit_b16_augreg_in1k", "swin_b", "clip_convnext_b", "resnet50_a1"),
        strategies=("full",),
        objectives=("standard", "rft_fix", "rft_sched"),
        sections=ROBUST | {"rft_sched": {**ROBUST["rft_sched"], "sweep": RAMPS}},
        steps=(0, 64),
        shifts=(),
        corruptions=(),
    )


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return study(
        tmp_path_factory.mktemp("sweep"),
        strategies=("full", "lora"),
        variants=dict.fromkeys(("full", "lora"), ("rank 4", "rank 8")),
        seeds=(0, 1),
        backbones=("vit", "swin"),
        objectives=("standard", "rft_fix"),
        sections={"rft_fix": {"epsilon": "4/255"}},
        steps=(0, 10, 100),
    )


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """One panel with sweeps whose names are long."""
    names = [f"rank {rank}, targets q+k+v+proj+fc1+fc2" for rank in (1, 2, 4, 8, 16)]
    return study(
        tmp_path_factory.mktemp("ranks"),
        strategies=("lora", "adapter"),
        variants={"lora": names, "adapter": names},
    )


def draw(results: Results, name: str) -> tuple[Figure, pd.DataFrame]:
    with style.styled():
        fig, data = load(name, results.study, FIGURES).draw(results)
        FigureCanvasAgg(fig).draw()
        return fig, data


def overlaps(fig: Figure) -> list[tuple[str, str]]:
    """Pairs of visible texts whose boxes share more than a pixel's breadth, and texts that leave the page."""
    renderer = FigureCanvasAgg(fig).get_renderer()
    hidden = ticks_out_of_view(fig)
    texts = [text for text in fig.findobj(Text) if text.get_visible() and text.get_text().strip()]
    # Of an annotation, the text alone: its leader may cross what it likes.
    boxes = [
        (text.get_text(), Text.get_window_extent(text, renderer)) for text in texts if text not in hidden
    ]
    page = fig.bbox
    outside = [
        (name, "page")
        for name, box in boxes
        if box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1 or box.y0 < page.y0 - 1 or box.y1 > page.y1 + 1
    ]
    pairs = [
        (first, second)
        for (first, a), (second, b) in itertools.combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]
    return outside + pairs


def ticks_out_of_view(fig: Figure) -> set[Text]:
    """Tick labels that exist but are not drawn, beyond the limits of their axis."""
    hidden: set[Text] = set()
    for axis in (axis for axes in fig.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        slack = 1e-6 * (high - low)
        for tick in axis.get_major_ticks():
            if not low - slack <= tick.get_loc() <= high + slack:
                hidden |= {tick.label1, tick.label2}
    return hidden


ROBUST_FIGURES = [name for name, entry in FIGURES.items() if {"robust", "ramps"} & set(entry.needs)]
SWEEP_FIGURES = [name for name, entry in FIGURES.items() if "sweep" in entry.needs]
TASK_FIGURES = [name for name, entry in FIGURES.items() if "several datasets" in entry.needs]
PLAIN_FIGURES = [name for name in FIGURES if name not in ROBUST_FIGURES + SWEEP_FIGURES + TASK_FIGURES]
DRAWN = [(fixture, name) for fixture in ("one", "six", "sweep") for name in PLAIN_FIGURES]
DRAWN += [(fixture, name) for fixture in ("sweep", "ranks") for name in SWEEP_FIGURES]
DRAWN += [("six", name) for name in TASK_FIGURES]
DRAWN += [("robust", name) for name in ROBUST_FIGURES if name != "ramps"]
DRAWN += [
    ("robust", name)
    for name in (
        *("auc_heatmap", "trajectories", "frontiers", "epsilon_curves", "training_curves"),
        *("auc_by_threat", "auc_by_parameters", "expected_robustness"),
    )
]
DRAWN += [
    ("paper", name) for name in ("ramps", "accuracy_by_budget", "objectives_on_average", "validation_loss")
]


@pytest.mark.parametrize(("fixture", "name"), DRAWN)
def test_no_text_overlaps_another_or_leaves_the_page(
    fixture: str, name: str, request: pytest.FixtureRequest
) -> None:
    fig, data = draw(request.getfixturevalue(fixture), name)
    assert overlaps(fig) == []
    assert fig.get_figwidth() in (style.ONE_COLUMN, style.TWO_COLUMNS)
    sizes = {text.get_fontsize() for text in fig.findobj(Text) if text.get_text().strip()}
    assert min(sizes) >= 6  # points
    assert fig.get_figheight() <= style.PAGE + 1e-9  # a sum, rounded
    assert len(data) > 0


CURVES = (
    *(
        "robust_curves",
        "expected_trajectories",
        "validation_accuracy",
        "validation_loss",
        "accuracy_by_budget",
    ),
    *("delay_by_budget", "delay_and_accuracy", "trajectories", "epsilon_curves", "training_curves"),
    *("expected_robustness", "auc_by_threat"),
)


@pytest.mark.parametrize("name", CURVES)
def test_no_curve_is_cut_and_small_values_are_not_left_in_a_strip(robust: Results, name: str) -> None:
    fig, _ = draw(robust, name)
    reached: dict[tuple[float, float], float] = {}
    for axes in (axes for axes in fig.axes if axes.axison):
        values = [
            np.asarray(line.get_ydata(), float)
            for line in axes.lines
            if line.get_transform() == axes.transData and np.size(line.get_ydata())
        ]
        low, high = axes.get_ylim()
        for drawn in values:
            assert low - 1e-9 <= np.nanmin(drawn) and np.nanmax(drawn) <= high + 1e-9
        # Axes that share their limits are filled by one of them.
        top = max(float(axes.dataLim.y1), *(np.nanmax(drawn) for drawn in values))
        reached[low, high] = max(reached.get((low, high), low), top)
    for (low, high), top in reached.items():
        assert top - low > 0.85 * (high - low)


def test_keys_name_objectives_in_the_study_s_order_whatever_that_of_a_table(tmp_path: Path) -> None:
    write_study(
        tmp_path,
        strategies=("full",),
        objectives=("standard", "rft_fix", "rft_sched"),
        n=20,
        steps=(0, 10),
        shifts=(),
        corruptions=(),
    )
    with style.styled():
        fig = style.figure(4, 2)
        fig.subplots(1, 2)
        method_key(fig, Results(tmp_path), ["rft_sched", "standard", "rft_fix t1 0.1", "rft_sched"])
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["Standard", "RFT fix", "RFT sched"]


def test_the_perturbation_that_can_only_be_a_check_is_not_shown(tmp_path: Path) -> None:
    results = study(tmp_path, strategies=("full", "lora"), epsilons=(4 / 255, 0.5), shifts=(), corruptions=())
    _, curves = draw(results, "epsilon_curves")
    assert curves["epsilon"].unique().tolist() == [0, 4 / 255]
    _, areas = draw(results, "auc_heatmap")
    assert areas["epsilon"].unique() == pytest.approx([4 / 255])
    assert results.areas["epsilon"].max() == 0.5
    assert len(auc_table.make(results).rows) == 2


def test_one_strategy_alone_is_not_above_any_average(tmp_path: Path) -> None:
    fig, _ = draw(study(tmp_path, strategies=("lora",), shifts=(), corruptions=()), "auc_heatmap")
    words = [text.get_text() for text in fig.axes[0].texts]
    assert words
    assert not any("%" in word for word in words)


NOTED = ("accuracy_by_budget", "auc_heatmap", "trajectories", "epsilon_curves", "robust_curves")


def note(results: Results, name: str) -> str:
    """What a figure says below its axes, in one line."""
    fig, _ = draw(results, name)
    parts = [fig, *fig.subfigs]
    return " ".join(part.get_supxlabel() for part in parts).replace("\n", " ")


def test_what_two_seeds_say_is_not_called_an_interval(robust: Results, one: Results) -> None:
    words = "with two seeds they just span both"
    assert words in objectives.make(robust).caption
    assert words in auc_table.make(robust).caption
    assert words not in auc_table.make(one).caption
    assert all(words in note(robust, name) for name in NOTED)
    assert not any(
        words in note(one, name) for name in ("trajectories", "epsilon_curves", "corruption_curves")
    )


def test_two_seeds_of_a_sweep_and_of_corruptions_are_not_called_an_interval_either(sweep: Results) -> None:
    words = "with two seeds they just span both"
    for name in ("variant_trajectories", "corruption_curves", "corruption_heatmap"):
        assert words in note(sweep, name)


def test_notes_say_how_many_images_and_seeds_were_joined(robust: Results) -> None:
    for name in ("delay_and_accuracy", "objectives_on_average"):
        assert "n = 60 test images" in note(robust, name)
    assert "2 seeds" in note(robust, "delay_and_accuracy")
    assert "joined over up to 2 seeds" in note(robust, "objectives_on_average")
    assert "2 seeds, n = 78 runs" in note(robust, "delay_by_budget")


def test_a_large_study_has_a_page_for_each_dataset_and_one_csv_of_all(tmp_path: Path) -> None:
    results = study(
        tmp_path,
        strategies=("full",),
        datasets=("a", "b", "c"),
        backbones=("vit", "swin"),
        objectives=("standard", "rft_fix", "rft_sched", "trades", "rft_uniform"),
        steps=(0, 64),
        shifts=(),
        corruptions=(),
    )
    assert len(results.panels) == 54
    output = tmp_path / "figures" / "frontiers"
    draw_figure.main(["--figure", "frontiers", "--results", str(tmp_path), "--output", str(output)])
    assert len(re.findall(rb"/Type /Page\b", output.with_suffix(".pdf").read_bytes())) == 3
    with Image.open(output.with_suffix(".png")) as picture:
        assert picture.height <= style.PAGE * style.PER_INCH
    data = pd.read_csv(output.with_suffix(".csv"))
    assert len(data) == len(under(results.frontiers, results.threat)) == 2 * 54
    assert data["dataset"].unique().tolist() == ["a", "b", "c"]
    with style.styled():
        drawn, _ = pages.draw(load("frontiers", results.study, FIGURES), results)
    for number, (fig, name) in enumerate(zip(drawn, "abc", strict=True), 1):
        assert {axes.get_title()[0] for axes in fig.axes if axes.axison} == {name}
        assert fig.get_supxlabel().startswith(f"page {number} of 3 of the PDF; PGD-15, ℓ∞, ε = 4/255;")
        FigureCanvasAgg(fig).draw()
        assert overlaps(fig) == []


def test_overlapping_texts_would_be_noticed() -> None:
    with style.styled():
        fig = Figure(figsize=(2, 2))
        fig.text(0.5, 0.5, "one")
        fig.text(0.52, 0.5, "two")
        fig.text(0.99, 0.1, "three")
        FigureCanvasAgg(fig).draw()
        assert overlaps(fig) == [("three", "page"), ("one", "two")]


@pytest.mark.parametrize("name", ["frontiers", "trajectories"])
def test_a_figure_regenerates_byte_for_byte(one: Results, name: str, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        draw_figure.main(
            ["--figure", name, "--results", str(one.root), "--output", str(tmp_path / folder / name)]
        )
    for kind in ("pdf", "png", "csv"):
        files = [(tmp_path / folder / f"{name}.{kind}").read_bytes() for folder in ("first", "second")]
        assert files[0] == files[1]
    pdf = (tmp_path / "first" / f"{name}.pdf").read_bytes()
    assert b"/FontFile2" in pdf  # TrueType, embedded
    assert b"/Type3" not in pdf
    assert not re.search(rb"/(CreationDate|ModDate)", pdf)


def test_the_csv_of_a_figure_holds_what_the_lines_show(one: Results) -> None:
    fig, data = draw(one, "trajectories")
    full = data[data["strategy"] == "full"].sort_values("step")
    left, right = fig.axes
    black = look("full").colour
    for axes, column in ((left, "accuracy"), (right, "robustness")):
        line = next(line for line in axes.lines if line.get_color() == black)
        assert np.asarray(line.get_ydata(), float) == pytest.approx(full[column].to_numpy() * 100)
        assert np.asarray(line.get_xdata(), float) == pytest.approx(full["step"].to_numpy())


def test_the_staircase_encloses_the_area_that_its_key_states(one: Results) -> None:
    fig, _ = draw(one, "frontiers")
    black = look("full").colour
    stairs = max(
        (line for line in fig.axes[0].lines if line.get_color() == black and line.get_linestyle() == "-"),
        key=lambda line: len(line.get_xdata()),
    )
    x, y = (np.asarray(values, float) / 100 for values in (stairs.get_xdata(), stairs.get_ydata()))
    areas = under(one.areas, one.threat).set_index("family")
    assert np.trapezoid(y, x) == pytest.approx(areas.loc["full", "auc"])


def test_variants_apart_have_staircases_that_enclose_the_areas_that_the_key_states(ranks: Results) -> None:
    fig, data = draw(ranks, "variant_frontiers")
    assert [axes.get_title() for axes in fig.axes] == ["LoRA", "Adapter"]
    areas = under(ranks.variants, ranks.threat)
    for axes, family in zip(fig.axes, ("lora", "adapter"), strict=True):
        own = areas[areas["family"] == family].sort_values("auc", ascending=False, kind="stable")
        legend = axes.get_legend()
        assert legend is not None
        words = [text.get_text().split("  ") for text in legend.get_texts()]
        assert [(auc, variant) for auc, _, variant in words] == [
            (f"{auc:.3f}", variant) for auc, variant in zip(own["auc"], own["variant"], strict=True)
        ]
        colours = [line.get_color() for line in legend.get_lines()]
        assert len(set(colours)) == 5
        for auc, colour in zip(own["auc"], colours, strict=True):
            stairs = max(
                (line for line in axes.lines if line.get_color() == colour and line.get_linestyle() == "-"),
                key=lambda line: len(line.get_xdata()),
            )
            x, y = (np.asarray(values, float) / 100 for values in (stairs.get_xdata(), stairs.get_ydata()))
            assert np.trapezoid(y, x) == pytest.approx(auc)
    assert set(data["family"]) == {"lora", "adapter"}


def test_a_variants_trajectory_is_its_own_and_its_key_names_it(ranks: Results) -> None:
    fig, data = draw(ranks, "variant_trajectories")
    part = fig.subfigs[1]
    (legend,) = part.legends
    assert legend.get_title().get_text() == "Adapter"
    for text, handle in zip(legend.get_texts(), legend.get_lines(), strict=True):
        rows = data[(data["family"] == "adapter") & (data["variant"] == text.get_text())]
        line = next(line for line in part.axes[0].lines if line.get_color() == handle.get_color())
        assert np.asarray(line.get_ydata(), float) == pytest.approx(rows["accuracy"].to_numpy() * 100)


def test_a_strategy_without_variants_is_not_among_the_sweeps(tmp_path: Path) -> None:
    write_study(
        tmp_path, strategies=("lora",), variants={"lora": ("rank 4", "rank 8")}, n=20, datasets=("a", "b")
    )
    made = read_sealed(tmp_path / "study.json")
    full = [run | {"strategy": "full", "family": "full", "variant": ""} for run in made["runs"][:1]]
    made["runs"] = full + made["runs"]
    write_sealed(tmp_path / "study.json", made)
    (sweep,) = sweeps(Results(tmp_path))
    assert (sweep.family, list(sweep.looks)) == ("lora", ["lora-rank4", "lora-rank8"])
    assert [panel.name for panel in sweep.panels] == ["a", "b"]


def test_the_heatmap_colours_each_cell_by_what_it_says(one: Results) -> None:
    fig, data = draw(one, "auc_heatmap")
    cells = np.asarray(fig.axes[0].collections[0].get_array()).reshape(len(one.families), -1)
    table = data.pivot(index="family", columns="epsilon", values="above_average").loc[one.families] * 100
    assert cells == pytest.approx(table.to_numpy())
    texts = {text.get_position(): text.get_text() for text in fig.axes[0].texts}
    row = data[(data["family"] == one.families[2]) & np.isclose(data["epsilon"], 4 / 255)].iloc[0]
    assert texts[1.5, 2.5 - 0.2].startswith(f"{row['auc']:.3f}")


def test_seven_datasets_stand_in_blocks_alike_and_shifts_in_axes_as_wide_as_they_need(tmp_path: Path) -> None:
    seven = study(
        tmp_path, datasets=tuple("abcdefg"), strategies=("full", "lora"), steps=(0, 64), corruptions=()
    )
    heatmap, _ = draw(seven, "auc_heatmap")
    titles = [[label.get_text() for label in axes.get_xticklabels()] for axes in heatmap.axes[:2]]
    assert titles == [list("abcd"), list("efg")]
    shift, data = draw(seven, "shift")
    limits = {(axes.get_xlim(), axes.get_ylim()) for axes in shift.axes if axes.axison}
    assert len(limits) == 1
    ((left, right), (bottom, top)) = limits.pop()
    assert (left, bottom) == (0, 0)
    for end, side in ((right, "inside"), (top, "outside")):
        assert 100 * data[f"{side}_high"].max() < end <= min(101, 100 * data[f"{side}_high"].max() + 3)


def test_shift_compares_test_sets_at_the_same_snapshot_of_the_same_run(six: Results) -> None:
    _, data = draw(six, "shift")
    row = data.iloc[17]
    probes = six.probes[(six.probes["run"] == row["run"]) & (six.probes["step"] == row["step"])]
    by_set = probes[probes["probe"] == "shift"].set_index("test_set")["accuracy"]
    assert row["inside"] == by_set[row["dataset"]]
    assert row["outside"] == by_set[row["test_set"]]
    assert set(data["test_set"]) == {"a", "b", "c"}


def test_task_complexity_shows_each_strategy_at_each_dataset_with_its_rank_correlation(six: Results) -> None:
    fig, data = draw(six, "task_complexity")
    assert len(data) == 6 * len(SEVEN)
    lora = data[data["family"] == "lora"].set_index("dataset")
    tasks = six.tasks.set_index("dataset")
    assert lora["separability"].to_dict() == tasks["separability"].to_dict()
    found = spearmanr(lora["separability"], lora["auc"]).statistic
    assert lora["rho_auc_separability"].to_list() == pytest.approx([found] * 6)
    found = permutation_test(
        (lora["separability"],),
        lambda x: spearmanr(x, lora["auc"]).statistic,
        permutation_type="pairings",
        n_resamples=np.inf,
    )
    assert lora["p_auc_separability"].to_list() == pytest.approx([found.pvalue] * 6)
    texts = [text.get_text() for axes in fig.axes for text in axes.texts]
    assert texts.count("CUB-200-2011") == 4  # two measures, by area and by percent above average
    sure = "*" if found.pvalue < 0.05 else ""
    assert f"LoRA +{found.statistic:.2f}{sure}" in texts
    assert any(text.endswith("*") for text in texts) == (data.filter(like="p_") < 0.05).any(axis=None)
    assert "*: p < 5%" in note(six, "task_complexity")
    _, _, bars = fig.axes[0].containers[SEVEN.index("lora")]
    drawn = sorted(segment[:, 1].mean() for segment in bars[0].get_segments())
    assert drawn == pytest.approx(sorted((lora["low"] + lora["high"]) / 2))


def test_strategies_side_by_side_at_a_dataset_do_not_reach_into_its_neighbours(tmp_path: Path) -> None:
    near = study(tmp_path, datasets=("a", "b", "c", "d"), steps=(0, 64), shifts=(), corruptions=())
    near.tasks = near.tasks.assign(separability=[0.3, 0.301, 0.5, 0.8], similarity=np.nan)
    fig, _ = draw(near, "task_complexity")
    drawn = [np.asarray(bars.lines[0].get_xdata(), float) for bars in fig.axes[0].containers]
    assert len(drawn) == len(SEVEN)
    by_dataset = np.sort(drawn, axis=1).T
    assert (by_dataset.max(axis=1)[:-1] < by_dataset.min(axis=1)[1:]).all()
    assert by_dataset.mean(axis=1) == pytest.approx([0.3, 0.301, 0.5, 0.8])


def test_a_correlation_of_delays_is_that_of_the_robust_runs_whose_points_have_intervals(
    robust: Results,
) -> None:
    fig, data = draw(robust, "delay_and_accuracy")
    rows = data[
        np.isclose(data["epsilon_g"], 8 / 255) & (data["objective_epsilon"] > 0) & (data["probe"] == "pgd")
    ]
    found = pearsonr(rows["delay"], rows["clean"])
    words = f"r = {found.statistic:.2f} (n = {len(rows)})".replace("-", "\N{MINUS SIGN}")
    assert words in fig.axes[3].get_title()
    (bars,) = [c for c in fig.axes[3].collections if len(c.get_segments()) == 6 and c.get_alpha() == 0.5][:1]
    standard = data[
        np.isclose(data["epsilon_g"], 8 / 255) & (data["method"] == "standard") & (data["probe"] == "pgd")
    ]
    ends = sorted(tuple(segment[:, 1]) for segment in bars.get_segments())
    expected = sorted(zip(100 * standard["clean_low"], 100 * standard["clean_high"], strict=True))
    assert np.array(ends) == pytest.approx(np.array(expected))


def test_the_key_of_seven_datasets_stands_where_they_leave_room_and_has_every_area(tmp_path: Path) -> None:
    seven = study(tmp_path, datasets=SEVEN_DATASETS, steps=(0, 64, 640), shifts=(), corruptions=())
    fig, _ = draw(seven, "frontiers")
    assert overlaps(fig) == []
    assert not fig.legends
    (spare,) = [axes for axes in fig.axes if not axes.axison]
    texts = [text.get_text() for text in spare.texts]
    assert "PACS,\nart painting" in texts
    areas = under(seven.areas, seven.threat)
    for family in SEVEN:
        start = texts.index(look(family).label) + 1
        rows = areas[areas["family"] == family].set_index("dataset")["auc"]
        assert texts[start : start + 7] == [f"{rows[name]:.3f}" for name in SEVEN_DATASETS]
    for name in ("trajectories", "training_curves"):
        fig, _ = draw(seven, name)
        (spare,) = [axes for axes in fig.axes if not axes.axison]
        legend = spare.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == [look(family).label for family in SEVEN]
        assert overlaps(fig) == []


def test_the_corruption_heatmap_shows_means_over_severities_at_the_last_snapshot(one: Results) -> None:
    fig, data = draw(one, "corruption_heatmap")
    rows = one.probes[(one.probes["strategy"] == "lora") & (one.probes["threat"] == "fog")]
    expected = rows[rows["step"] == rows["step"].max()]["accuracy"]
    assert len(expected) == 3
    cell = data[(data["strategy"] == "lora") & (data["corruption"] == "fog")]
    assert cell["accuracy"].item() == pytest.approx(expected.mean())
    shown = np.asarray(fig.axes[0].collections[0].get_array()).reshape(len(TWELVE), 15)
    assert shown[TWELVE.index("lora"), 9] == pytest.approx(100 * expected.mean())
    low, high = (rows.loc[expected.index, side].mean() for side in ("low", "high"))
    texts = {text.get_position(): text.get_text() for text in fig.axes[0].texts}
    x, y = 9.5, TWELVE.index("lora") + 0.5
    assert texts[x, y + 0.24] == f"{100 * low:.0f}–{100 * high:.0f}"


def test_a_corruption_heatmap_of_many_rows_has_one_line_for_each_with_the_longer_side(six: Results) -> None:
    fig, data = draw(six, "corruption_heatmap")
    row = data.iloc[0]
    side = max(row["accuracy"] - row["low"], row["high"] - row["accuracy"])
    assert f"{100 * row['accuracy']:.0f} ±{100 * side:.0f}" == fig.axes[0].texts[0].get_text()


def test_a_figure_that_the_study_cannot_support_is_refused_with_what_it_needs(tmp_path: Path) -> None:
    made = write_study(tmp_path, strategies=("full",), n=10, shifts=(), corruptions=(), epsilons=(4 / 255,))
    assert available(made) == [
        *("trajectories", "frontiers", "auc_heatmap", "training_curves", "feature_strength"),
    ]
    refused = unavailable(made)
    assert refused["epsilon_curves"] == "give an attack probe several epsilons"
    assert refused["task_complexity"] == "name three datasets or more in study.datasets"
    assert refused["shift"] == "list a shift probe in study.probes, on a dataset with a shifted test set"
    assert refused["validation_loss"] == "list a robust objective in study.objectives"
    assert refused["corruption_curves"] == "list a corruption probe in study.probes"
    assert refused["variant_frontiers"] == "give a strategy a sweep of several values"
    with pytest.raises(
        UserError, match=r"artifact shift: found no data for it in this study.*list a shift probe"
    ):
        draw_figure.main(
            ["--figure", "shift", "--results", str(tmp_path), "--output", str(tmp_path / "shift")]
        )
    assert not list(tmp_path.glob("shift*"))


def test_without_an_attack_probe_only_training_and_strategies_are_left(tmp_path: Path) -> None:
    made = write_study(tmp_path, strategies=("full",), n=10)
    for run in made["runs"]:
        run["probes"] = {}
    assert available(made, FIGURES) == ["training_curves", "feature_strength"]
    assert available(made, TABLES) == ["strategies", "backbones", "flags"]


def test_asking_what_is_available_imports_nothing_heavy() -> None:
    heavy = "{'matplotlib', 'pandas', 'numpy', 'torch'}"
    check = f"import tradeoff.artifacts, sys; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_a_robust_curve_encloses_the_expected_robustness_that_the_table_prints(robust: Results) -> None:
    fig, _ = draw(robust, "robust_curves")
    rows = objectives.make(robust).data
    row = rows[
        (rows["strategy"] == "full")
        & (rows["method"] == "rft_sched")
        & np.isclose(rows["epsilon_g"], 4 / 255)
    ]
    blue = method_look("rft_sched").colour
    line = next(line for line in fig.axes[0].lines if line.get_color() == blue)
    x, y = (np.asarray(values, float) for values in (line.get_xdata(), line.get_ydata()))
    assert x.max() == pytest.approx(4)
    assert np.trapezoid(y, x) / 4 == pytest.approx(row["expected:pgd"].item() * 100)


def test_onsets_stand_at_the_first_epoch_above_the_threshold(robust: Results) -> None:
    _, data = draw(robust, "validation_accuracy")
    rows = data[
        (data["quantity"] == "validation_accuracy")
        & (data["method"] == "rft_fix")
        & (data["low"] == data["high"])
    ]
    for _, curve in rows.groupby(["strategy", "epsilon_g"]):
        if curve["reached"].iloc[0] == 2 and (curve["value"] <= 0.05).any():
            assert curve["onset"].iloc[0] == pytest.approx(curve.loc[curve["value"] > 0.05, "epoch"].min())


def test_onsets_are_ringed_where_the_curve_passes(robust: Results) -> None:
    fig, data = draw(robust, "validation_accuracy")
    data = data[(data["quantity"] == "validation_accuracy") & (data["strategy"] == "full")]
    data = data[np.isclose(data["epsilon_g"], 4 / 255)]
    rings = [line for line in fig.axes[0].lines if line.get_fillstyle() == "none"]
    assert len(rings) == data.dropna(subset="onset")["method"].nunique() > 3
    for ring in rings:
        (x,), (y,) = np.asarray(ring.get_xdata(), float), np.asarray(ring.get_ydata(), float)
        curves = [
            np.interp(x, curve["epoch"], curve["value"] * 100)
            for method, curve in data[data["onset"] == x].groupby("method")
            if method_look(str(method)).colour == ring.get_color()
        ]
        assert y == pytest.approx(curves[0])


def test_without_robust_validation_the_curves_are_the_clean_ones(tmp_path: Path) -> None:
    write_study(
        tmp_path,
        strategies=("full",),
        objectives=("rft_fix",),
        n=20,
        steps=(0, 64),
        shifts=(),
        corruptions=(),
    )
    for path in tmp_path.glob("runs/**/training.parquet"):
        log = pq.read_table(path)
        for place, name in enumerate(log.column_names):
            if name.startswith("validation_robust") or name == "validation_epsilon":
                log = log.set_column(place, name, pa.nulls(len(log)))
        pq.write_table(log, path)
    for run in read_sealed(tmp_path / "study.json")["runs"]:
        seal_run(tmp_path, run)
    gather.main(["--study", str(tmp_path / "study.json"), "--results", str(tmp_path)])
    for name in ("validation_accuracy", "validation_loss"):
        fig, data = draw(Results(tmp_path), name)
        assert set(data["quantity"]) == {name}
        assert not any(line.get_linestyle() == "--" for axes in fig.axes for line in axes.lines)


def test_the_schedule_drawn_is_the_one_that_the_logs_recorded(robust: Results) -> None:
    fig, _ = draw(robust, "epsilon_schedules")
    blue = method_look("rft_sched").colour
    (line,) = [line for line in fig.axes[1].lines if line.get_color() == blue]
    run = robust.training[
        (robust.training["objective"] == "rft_sched-epsilon8_255") & (robust.training["seed"] == 0)
    ]
    run = run[run["strategy"] == "full"]
    drawn = np.interp(run["epoch"], np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float))
    assert drawn == pytest.approx(run["epsilon"].to_numpy() * 255, abs=1e-9)


def test_published_numbers_stand_where_the_study_has_their_cells_and_nowhere_else(
    robust: Results, paper: Results
) -> None:
    assert "published" not in " ".join(objectives.make(robust).header)
    table = objectives.make(paper)
    assert list(table.header)[-3:] == [
        "Clean, published",
        "Adversarial, APGD-10, published",
        "Expected, APGD-10, published",
    ]
    rows = table.data.set_index(["dataset", "backbone", "method", "epsilon_g"])["published_clean"]
    assert rows["cars", "swin_b", "rft_fix", 8 / 255] == pytest.approx(0.132)
    assert np.isnan(rows["cars", "swin_b", "standard", 8 / 255])


@pytest.mark.parametrize("name", [*FIGURES, *TABLES, "study"])
def test_every_artifact_has_a_caption_that_renders(name: str) -> None:
    class Snakemake:
        config = {"study": {"title": "A study"}}  # noqa: RUF012 - read only

    source = (REPORT / f"{name}.rst").read_text()
    text = jinja2.Template(source, undefined=jinja2.StrictUndefined).render(snakemake=Snakemake)
    html = docutils.core.publish_parts(text, writer="html", settings_overrides={"halt_level": 2})
    assert len(html["body"]) > 200
