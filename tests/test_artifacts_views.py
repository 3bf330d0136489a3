"""Views that join what the papers show apart: attacks with shifts, areas with sizes and threats, and the bound."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from scipy.stats import norm, t
from synthetic_results import SEVEN
from test_artifacts_figures import draw, overlaps, study

from tradeoff.analysis.points import under
from tradeoff.analysis.shift import mean_over_test_sets
from tradeoff.analysis.study_file import RUN_COLUMNS
from tradeoff.artifacts import available, style, unavailable
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.probes.results import wilson

SHIFTS = ("pacs.sketch", "pacs.cartoon", "pacs.art_painting")


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two domains, each with three shifted test sets, and three seeds."""
    root = tmp_path_factory.mktemp("domains")
    study(
        root,
        datasets=("pacs.photo", "pacs.real"),
        shifts=SHIFTS,
        strategies=("full", "lora"),
        seeds=(0, 1, 2),
        steps=(0, 10, 100),
        corruptions=(),
    )
    return root


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One panel, two attacks, and a strategy with four variants that `variant_sizes` tells apart."""
    root = tmp_path_factory.mktemp("sweep")
    study(
        root,
        strategies=SEVEN,
        variants={"lora": ("rank 1", "rank 2", "rank 4", "rank 16")},
        attacks=("pgd", "square"),
        epsilons=(2 / 255, 4 / 255, 0.5),
        steps=(0, 10, 100),
        corruptions=(),
    )
    return root


def variant_sizes(root: Path) -> Results:
    """The study with parameters as a real one has them: each rank trains more, and full fine-tuning everything."""
    results = Results(root)
    runs = results.runs.assign(total=85_000_000)
    ranks = runs["variant"].str.removeprefix("rank ").replace("", "0").astype(int)
    runs["trainable"] = runs["trainable"].where(ranks == 0, 7_690 + 147_456 * ranks)
    runs.loc[runs["family"] == "full", "trainable"] = 85_000_000
    results.__dict__["runs"] = runs
    return results


def error_bars(axes: Axes, colour: str) -> list[tuple[float, float, float, float]]:
    """(x, y, low, high) of every point in a colour that has vertical bars."""
    found = []
    for one in axes.containers:
        assert isinstance(one, ErrorbarContainer)
        line, _, bars = one.lines
        if line is None or line.get_color() != colour:
            continue
        ends = [segment[:, 1] for segment in bars[-1].get_segments()]
        for x, y, end in zip(line.get_xdata(), line.get_ydata(), ends, strict=True):
            found.append((float(x), float(y), float(end.min()), float(end.max())))
    return found


def tables_of_test_sets(outcomes: dict[str, np.ndarray]) -> pd.DataFrame:
    """What `shifted` would make of one snapshot with these outcomes, by shifted test set."""
    run = dict.fromkeys(RUN_COLUMNS, "") | {"run": "one", "objective_epsilon": 0.0, "seed": 0}
    rows = []
    for name, correct in outcomes.items():
        low, high = wilson(int(correct.sum()), len(correct))
        shares = {"outside": correct.mean(), "outside_low": low, "outside_high": high}
        own = {"inside": 0.9, "inside_low": 0.85, "inside_high": 0.94}
        rows.append(run | {"probe": "shift", "step": 7, "test_set": name} | shares | own)
    return pd.DataFrame(rows)


def test_a_mean_of_alike_test_sets_is_surer_by_the_root_of_their_number() -> None:
    correct = np.arange(400) < 230
    one = mean_over_test_sets(tables_of_test_sets({"a": correct})).iloc[0]
    low, high = wilson(230, 400)
    assert (one["outside_low"], one["outside_high"]) == pytest.approx((low, high))
    four = mean_over_test_sets(tables_of_test_sets(dict.fromkeys("abcd", correct))).iloc[0]
    assert four["test_sets"] == 4
    assert four["outside"] == pytest.approx(0.575)
    assert four["outside"] - four["outside_low"] == pytest.approx((0.575 - low) / 2)
    assert four["outside_high"] - four["outside"] == pytest.approx((high - 0.575) / 2)
    assert (four["inside"], four["inside_low"], four["inside_high"]) == (0.9, 0.85, 0.94)


def test_the_interval_of_a_mean_over_test_sets_is_what_a_bootstrap_of_each_gives() -> None:
    rng = np.random.default_rng(0)
    shares = {"a": (300, 0.35), "b": (900, 0.6), "c": (500, 0.8)}
    outcomes = {name: rng.random(n) < share for name, (n, share) in shares.items()}
    table = tables_of_test_sets(outcomes)
    row = mean_over_test_sets(table).iloc[0]
    again = [rng.choice(correct, (20_000, len(correct))).mean(axis=1) for correct in outcomes.values()]
    low, high = np.quantile(np.mean(again, axis=0), [0.025, 0.975])
    assert row["outside_low"] == pytest.approx(low, abs=0.002)
    assert row["outside_high"] == pytest.approx(high, abs=0.002)
    assert table["outside_low"].mean() < low - 0.01  # averaged limits are no such interval


def test_a_mean_over_test_sets_counts_each_once_and_needs_all_of_them() -> None:
    correct = {name: np.arange(100) < count for name, count in (("a", 20), ("b", 60))}
    table = tables_of_test_sets(correct)
    twice = pd.concat([table, table.assign(probe="again"), table.iloc[:1].assign(step=8)])
    means = mean_over_test_sets(twice)
    assert means[["step", "test_sets"]].to_numpy().tolist() == [[7, 2]]
    assert means["outside"].tolist() == pytest.approx([0.4])


def test_trajectories_show_the_mean_over_shifted_test_sets_of_all_seeds(domains: Path) -> None:
    results = Results(domains)
    fig, data = draw(results, "shift_trajectories")
    probes = results.probes
    rows = probes[(probes["probe"] == "shift") & (probes["dataset"] == "pacs.real") & (probes["step"] == 100)]
    rows = rows[rows["strategy"] == "lora"]
    own = rows["test_set"] == "pacs.real"
    shown = data[(data["dataset"] == "pacs.real") & (data["strategy"] == "lora") & (data["step"] == 100)]
    assert shown["inside"].item() == pytest.approx(rows[own]["accuracy"].mean())
    assert shown["outside"].item() == pytest.approx(rows[~own]["accuracy"].mean())
    colour = look("lora").colour
    drawn = [next(line for line in axes.lines if line.get_color() == colour) for axes in fig.axes[:4]]
    ends = sorted(float(np.asarray(line.get_ydata(), float)[-1]) for line in drawn)
    lora = data[(data["strategy"] == "lora") & (data["step"] == 100)]
    assert ends == pytest.approx(sorted([*lora["inside"] * 100, *lora["outside"] * 100]))
    assert "mean over 3 shifted test sets" in fig.get_supxlabel().replace("\n", " ")


def test_shift_and_robustness_meet_at_the_steps_that_both_probes_have(domains: Path) -> None:
    results = Results(domains)
    probes = results.probes
    gone = (probes["probe"] == "shift") & (probes["step"] == 100)
    gone |= (probes["probe"] == "pgd") & (probes["step"] == 0)
    results.__dict__["probes"] = probes[~gone]
    fig, data = draw(results, "shift_and_robustness")
    assert data["step"].unique().tolist() == [10]
    run = data[(data["dataset"] == "pacs.photo") & (data["family"] == "full") & (data["seed"] == 1)].iloc[0]
    rows = probes[(probes["run"] == run["run"]) & (probes["step"] == 10)]
    away = rows[(rows["probe"] == "shift") & (rows["test_set"] != "pacs.photo")]
    assert run["outside"] == pytest.approx(away["accuracy"].mean())
    half = np.sqrt(((away["accuracy"] - away["low"]) ** 2).sum()) / 3
    assert run["outside"] - run["outside_low"] == pytest.approx(half)
    attacked = under(rows, results.threat)
    assert run["robustness"] == attacked["accuracy"].item()
    bars = {(round(x, 6), round(y, 6)): (low, high) for x, y, low, high in error_bars(fig.axes[0], "#000000")}
    limits = bars[round(run["outside"] * 100, 6), round(run["robustness"] * 100, 6)]
    assert limits == pytest.approx((attacked["low"].item() * 100, attacked["high"].item() * 100))


def test_a_source_s_shifted_test_sets_stand_in_one_row_and_its_dataset_is_named_once(domains: Path) -> None:
    fig, _ = draw(Results(domains), "shift")
    titles = [axes.get_title() for axes in fig.axes]
    targets = ["sketch", "cartoon", "art painting"]
    assert titles == [f"{source} → {target}" for source in ("photo", "real") for target in targets]
    rows = [round(axes.get_position().y0, 3) for axes in fig.axes]
    assert rows[:3] == rows[:1] * 3
    assert rows[3:] == rows[3:4] * 3
    assert rows[0] > rows[3]
    assert fig.get_supxlabel().startswith("domains of PACS")


def test_the_mean_over_many_test_sets_is_drawn_with_its_own_interval(tmp_path: Path) -> None:
    results = study(
        tmp_path,
        datasets=tuple(f"pacs.{name}" for name in "abcde"),
        shifts=SHIFTS,
        strategies=("full",),
        steps=(0, 10),
        corruptions=(),
    )
    fig, data = draw(results, "shift")
    assert [axes.get_title() for axes in fig.axes if axes.axison] == [f"PACS, {name}" for name in "abcde"]
    last = data[(data["dataset"] == "pacs.a") & (data["step"] == 10)]
    half = np.sqrt(((last["outside"] - last["outside_low"]) ** 2).sum()) / 3
    ((_, y, low, _),) = error_bars(fig.axes[0], look("full").colour)
    assert y == pytest.approx(last["outside"].mean() * 100)
    assert y - low == pytest.approx(half * 100)


def test_areas_stand_at_the_parameters_of_their_strategy_each_variant_at_its_own(sweep: Path) -> None:
    results = variant_sizes(sweep)
    fig, data = draw(results, "auc_by_parameters")
    areas = under(results.areas, results.threat).set_index("family")
    ((x, y, low, high),) = error_bars(fig.axes[0], look("full").colour)
    assert x == 85_000_000
    assert (y, low, high) == pytest.approx(tuple(areas.loc["full", ["auc", "low", "high"]]))
    variants = under(results.variants, results.threat).set_index("variant")
    points = error_bars(fig.axes[0], look("lora").colour)
    sizes = {7_690 + 147_456 * rank: f"rank {rank}" for rank in (1, 2, 4, 16)}
    assert [point[0] for point in points] == list(sizes)
    for size, auc, *limits in points:
        row = variants.loc[sizes[int(size)]]
        assert (auc, *limits) == pytest.approx(tuple(row[["auc", "low", "high"]]))
    assert len(data) == len(SEVEN) - 1 + 4
    assert overlaps(fig) == []
    ticks = [label.get_text() for label in fig.axes[0].get_xticklabels()]
    assert ticks == ["10k", "100k", "1M", "10M"]
    names = [text.get_text() for text in fig.axes[0].texts]
    assert sorted(names) == sorted(look(family).label for family in SEVEN)


def test_every_threat_has_its_place_where_strategies_stand_side_by_side(sweep: Path) -> None:
    results = Results(sweep)
    fig, data = draw(results, "auc_by_threat")
    assert data["epsilon"].max() == pytest.approx(4 / 255)  # that of 0.5 is a check
    assert len(data) == 4 * len(SEVEN)
    places = []
    for family in SEVEN:
        points = error_bars(fig.axes[0], look(family).colour)
        own = results.areas[(results.areas["family"] == family) & (results.areas["epsilon"] < 0.4)]
        expected = own.sort_values(["probe", "epsilon"])
        assert [point[1:] for point in points] == [
            pytest.approx(row) for row in expected[["auc", "low", "high"]].itertuples(index=False, name=None)
        ]
        places.append([point[0] for point in points])
    x = np.array(places)
    assert (
        np.diff(x, axis=0) > 0
    ).all()  # one beside another, and no threat's last beyond the next one's first
    assert (x[0, 1:] > x[-1, :-1]).all()
    middle = x.mean(axis=0)
    assert middle[2] - middle[1] > middle[1] - middle[0]  # a gap between the probes
    ticks = [tick.label1.get_text() for tick in fig.axes[0].xaxis.get_minor_ticks()]
    assert [" ".join(tick.split()) for tick in ticks] == ["PGD-15, ℓ∞", "Square, 5,000 queries, ℓ∞"]
    assert overlaps(fig) == []


def test_expected_robustness_is_the_area_below_each_snapshot_s_curve(sweep: Path) -> None:
    results = Results(sweep)
    results.study["params"]["tradeoff"]["expected_up_to"] = "4/255"
    fig, data = draw(results, "expected_robustness")
    probes = results.probes
    rows = probes[(probes["probe"] == "pgd") & (probes["strategy"] == "full") & (probes["step"] == 10)]
    clean, two, four, _ = rows.sort_values("epsilon")["accuracy"]
    shown = data[(data["strategy"] == "full") & (data["step"] == 10)]
    assert shown["expected"].item() == pytest.approx(clean / 4 + two / 2 + four / 4)
    black = next(line for line in fig.axes[0].lines if line.get_color() == look("full").colour)
    assert np.asarray(black.get_ydata(), float)[1] == pytest.approx(shown["expected"].item() * 100)


def test_expected_robustness_of_objectives_joins_seeds_to_an_interval(tmp_path: Path) -> None:
    results = study(
        tmp_path,
        strategies=("full",),
        objectives=("rft_fix",),
        sections={"rft_fix": {"epsilon": "4/255"}},
        seeds=(0, 1, 2),
        steps=(0, 10),
        epsilons=(4 / 255,),
        shifts=(),
        corruptions=(),
    )
    _, data = draw(results, "expected_trajectories")
    rows = results.probes[results.probes["step"] == 10]
    seeds = rows.groupby("seed")[["accuracy", "low"]].mean()  # of two sizes: the trapezoid
    half = t.ppf(0.975, 2) * seeds["accuracy"].std() / np.sqrt(3)
    below = np.hypot(half, (seeds["accuracy"] - seeds["low"]).mean())
    shown = data[data["step"] == 10]
    assert shown["expected"].item() == pytest.approx(seeds["accuracy"].mean())
    assert shown["expected"].item() - shown["expected_low"].item() == pytest.approx(below)


def test_the_bound_is_drawn_with_strategies_at_the_share_that_they_train(sweep: Path) -> None:
    results = variant_sizes(sweep)
    fig, data = draw(results, "feature_strength")
    bound = data[data["quantity"] == "least strength"]
    right = norm.cdf(bound["strength"] * np.sqrt(bound["features"] * (1 + bound["k_over_d"])))
    assert right == pytest.approx(0.99)
    strategies = data[data["quantity"] == "strategy"].set_index("strategy")
    runs = results.runs.set_index("strategy")
    assert strategies["k_over_d"].to_dict() == (runs["trainable"] / runs["total"]).to_dict()
    assert strategies["relative_strength"].to_numpy() == pytest.approx(
        (1 + strategies["k_over_d"].to_numpy()) ** -0.5
    )
    assert strategies.loc["full", "relative_strength"] == pytest.approx(0.5**0.5)
    black = [line for line in fig.axes[2].lines if line.get_color() == look("full").colour]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in black] == [
        pytest.approx((100, 100 * 0.5**0.5))
    ]
    assert overlaps(fig) == []


def test_a_study_is_told_what_each_view_needs(tmp_path: Path) -> None:
    plain = study(tmp_path, strategies=("full",), epsilons=(4 / 255,), shifts=(), corruptions=()).study
    refused = unavailable(plain)
    assert refused["auc_by_threat"] == "give an attack probe several epsilons, or list several attack probes"
    assert "list several strategies" in refused["auc_by_parameters"]
    assert "tradeoff.expected_up_to" in refused["expected_robustness"]
    assert "list a shift probe" in refused["shift_and_robustness"]
    assert "feature_strength" in available(plain)


def test_fifty_threats_are_no_wider_than_the_page(tmp_path: Path) -> None:
    results = study(
        tmp_path,
        attacks=("pgd", "apgd", "square", "autoattack"),
        epsilons=tuple(k / 255 for k in range(1, 13)),
        steps=(0, 10),
        strategies=("full", "lora"),
        shifts=(),
        corruptions=(),
    )
    fig, _ = draw(results, "auc_by_threat")
    assert fig.get_figwidth() <= style.TWO_COLUMNS
    assert overlaps(fig) == []
