"""The numbers that a text quotes, each with a name and as the text prints it.

docs/how-to/write-a-paper.md lists the names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from tradeoff.analysis.cells import MEASURES, METHOD, final_means
from tradeoff.analysis.courses import CHANGES
from tradeoff.analysis.metrics import last_and_peak, panel_names
from tradeoff.analysis.points import PANEL, under
from tradeoff.analysis.study_file import budgets, budgets_probed
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import escaped
from tradeoff.artifacts.tables.adaptation import OVER_SEEDS, adapted, over_runs
from tradeoff.artifacts.tables.area_differences import against, by_chance, pairs_of
from tradeoff.artifacts.tables.objective_means import comparable_cells, means
from tradeoff.artifacts.tables.paired_tests import of_study
from tradeoff.artifacts.text import few, interval, signed
from tradeoff.params.epsilon import format_epsilon

AREAS = 3  # decimals of an area
AREA = f".{AREAS}f"
# Metrics that are shares, and their columns in `last_and_peak`, each with columns ending in _low and _high.
SHARES = {
    "accuracy": "accuracy",
    "robust_accuracy": "robustness",
    "expected_robustness": "expected",
    "peak_robustness": "peak_robustness",
}

# Where a name is unknown LaTeX stops: a text never silently lacks a number.
_PREAMBLE = r"""% The numbers of study {study}: \input this file, then write \tradeoff{{{example}}}.
\makeatletter
\newcommand{{\tradeoff}}[1]{{\ifcsname tradeoff@#1\endcsname\csname tradeoff@#1\endcsname\else
  \PackageError{{tradeoff}}{{No number '#1'}}{{Look it up in numbers.json.}}\fi}}
"""


@dataclass(frozen=True)
class Number:
    """One number: its value, unrounded where results are, and as it is printed (shares in percent).

    value: of limits both of them, lower and upper; None where there is none.
    """

    value: float | int | str | list[float] | None
    text: str


Numbers = dict[str, Number]


def numbers(results: Results) -> Numbers:
    """Return the study's numbers by name: one word, `panel/strategy/metric`, `panel/best/...`, or of objectives.

    UserError without an attack probe.
    """
    found = _counts(results) | _metrics(results) | _areas(results) | _differences(results) | _courses(results)
    if budgets_probed(results.study):
        found |= _objectives(results) | _means(results) | _tests(results)
    if budgets(results.study):
        found |= _adaptation(results)
    return found


def _counts(results: Results) -> Numbers:
    runs = results.study["runs"]
    parts = {"datasets": "dataset", "backbones": "backbone", "strategies": "family", "variants": "strategy"}
    parts |= {"objectives": "objective", "seeds": "seed"}
    return {
        "title": _words(results.study["study"]["title"]),
        "threat": Number(str(results.threat), results.threat_label),
        "runs": _count(len(runs)),
        **{name: _count(len({run[key] for run in runs})) for name, key in parts.items()},
    }


def _metrics(results: Results) -> Numbers:
    """The metrics of metrics.json but areas, unrounded, and the limits of shares."""
    found: Numbers = {}
    table = last_and_peak(results.study, results.probes)
    table = table.rename(columns={"low": "accuracy_low", "high": "accuracy_high"})
    for place, row in _placed(results, table):
        for name, column in SHARES.items():
            found |= _with_limits(f"{place}/{name}", row, column)
        found[f"{place}/peak_step"] = _count(int(row["peak_step"]))
        found[f"{place}/test_images"] = _count(int(row["n"]))
    return found


def _areas(results: Results) -> Numbers:
    """Areas with their limits, and the strategy with the largest."""
    found: Numbers = {}
    strategies_of = _strategies(results)
    for panel, rows in _panels(results, under(results.areas, results.threat)):
        records = rows.sort_values("auc", ascending=False, kind="stable").to_dict("records")
        for row in records:
            for strategy in strategies_of[panel, row["family"]]:
                found[f"{panel}/{strategy}/auc"] = _number(row["auc"], AREA)
                found[f"{panel}/{strategy}/auc_interval"] = _limits(row["low"], row["high"], AREAS)
        found[f"{panel}/best/strategy"] = _words(look(records[0]["family"]).label)
        found[f"{panel}/best/auc"] = _number(records[0]["auc"], AREA)
    return found


def _differences(results: Results) -> Numbers:
    """How many pairs of strategies differ in area beyond paired intervals; how far each lies below the best."""
    pairs = pairs_of(results)
    confidence = results.study["params"]["tradeoff"]["confidence"]
    expected = by_chance(pairs, confidence)
    found = _pairs("", pairs) | {"pairs_by_chance": Number(expected, few(expected))}
    best = dict(_panels(results, under(results.areas, results.threat)))
    strategies_of = _strategies(results)
    for panel, rows in _panels(results, pairs):
        found |= _pairs(f"{panel}/", rows)
        areas = best[panel].set_index("family")["auc"]
        first = str(areas.idxmax())
        for family in (str(name) for name in areas.index if name != first):
            difference, low, high = against(rows, family, first)
            for strategy in strategies_of[panel, family]:
                place = f"{panel}/{strategy}/auc_minus_best"
                found[place] = Number(difference, signed(difference, AREAS))
                found[f"{place}_interval"] = _limits(low, high, AREAS)
    return found


def _pairs(place: str, pairs: pd.DataFrame) -> Numbers:
    differ = int(pairs["differs"].sum())
    return {f"{place}pairs": _count(len(pairs)), f"{place}pairs_that_differ": _count(differ)}


def _courses(results: Results) -> Numbers:
    """How robust accuracy rose and fell: from the first snapshot to the peak, and from there to the last."""
    found: Numbers = {}
    for place, row in _placed(results, under(results.courses, results.threat)):
        found[f"{place}/first_robust_accuracy"] = _share(row["first"])
        found[f"{place}/course_peak"] = _share(row["peak"])
        for name in CHANGES:
            found[f"{place}/{name}"] = _points(row[name])
            found[f"{place}/{name}_interval"] = _percent_limits(row[f"{name}_low"], row[f"{name}_high"])
    return found


def _objectives(results: Results) -> Numbers:
    """Clean accuracy, and at each ε_g adversarial and expected accuracy, of every objective, with limits."""
    ends = final_means(results.study, results.probes, results.threat.probe).dropna(subset="adversarial")
    found: Numbers = {}
    for place, row in _placed(results, ends):
        for measure in MEASURES:
            name = measure if measure == "clean" else f"{measure}_{_epsilon(row['epsilon_g'])}"
            found |= _with_limits(f"{place}/{name}", row, measure)
    return found


def _means(results: Results) -> Numbers:
    """Means over cells of each method at each ε_g."""
    found: Numbers = {}
    _, cells = comparable_cells(results)
    for budget, rows in cells.groupby("epsilon_g"):
        for row in means(rows).to_dict("records"):
            place = f"means/{_epsilon(budget)}/{row['method']}"
            found[f"{place}/cells"] = _count(int(row["cells"]))
            for measure in MEASURES:
                found |= _with_limits(f"{place}/{measure}", row, measure)
    return found


def _tests(results: Results) -> Numbers:
    """Paired tests of robust objectives over cells."""
    found: Numbers = {}
    ends = final_means(results.study, results.probes, results.threat.probe)
    for row in of_study(results, ends):
        pair = f"{row['first']}-{row['second']}"
        place = f"tests/{_epsilon(row['epsilon_g'])}/{pair}/{row['measure']}"
        found[f"{place}/difference"] = _points(row["mean"])
        found[f"{place}/difference_interval"] = _percent_limits(row["low"], row["high"])
        found |= {f"{place}/{name}": _count(row[key]) for name, key in (("cells", "n"), ("wins", "wins"))}
        for name, key, pattern in (
            ("t", "t", ".2f"),
            ("p", "p", ".2g"),
            ("w", "w", "g"),
            ("p_of_w", "w_p", ".2g"),
        ):
            found[f"{place}/{name}"] = _number(row[key], pattern)
    return found


def _adaptation(results: Results) -> Numbers:
    """Onset, delay and severity of robust objectives, and the onset of standard fine-tuning."""
    found: Numbers = {}
    names = {"onset": _epochs, "delay": _epochs, "severity": _points}
    runs = adapted(results)
    objectives = runs[[*METHOD, "objective"]].drop_duplicates()
    data = over_runs(runs).merge(objectives, on=list(METHOD), validate="one_to_one")
    for place, row in _placed(results, data):
        found[f"{place}/adapted"] = _count(int(row["reached"]))
        for name in OVER_SEEDS if row["objective_family"] != "standard" else ("onset",):
            found[f"{place}/{name}"] = names[name](row[name])
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            limits = _percent_limits(low, high) if name == "severity" else _limits(low, high, 1)
            found[f"{place}/{name}_interval"] = limits
    return found


def _placed(results: Results, table: pd.DataFrame) -> Iterator[tuple[str, dict[Any, Any]]]:
    """The rows of a table, each with `panel/strategy`."""
    named = panel_names(results.study)
    for row in table.to_dict("records"):
        yield f"{named[tuple(row[key] for key in PANEL)]}/{row['strategy']}", row


def _panels(results: Results, table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each panel, with its name."""
    named = panel_names(results.study)
    for keys, rows in table.groupby(PANEL, sort=False):
        yield named[tuple(map(str, keys))], rows


def _strategies(results: Results) -> dict[tuple[str, str], list[str]]:
    """The variants of each family in each panel."""
    named = panel_names(results.study)
    found: dict[tuple[str, str], list[str]] = {}
    for run in results.study["runs"]:
        variants = found.setdefault((named[tuple(run[key] for key in PANEL)], run["family"]), [])
        if run["strategy"] not in variants:
            variants.append(run["strategy"])
    return found


def as_json(found: Mapping[str, Number]) -> dict[str, Any]:
    """Return the numbers as plain values."""
    return {name: asdict(number) for name, number in found.items()}


def as_latex(study: str, found: Mapping[str, Number]) -> str:
    r"""Return LaTeX that defines ``\tradeoff{name}`` for every number."""
    example = next(name for name in found if name.endswith("/auc"))
    lines = [f"\\@namedef{{tradeoff@{name}}}{{{escaped(number.text)}}}" for name, number in found.items()]
    return _PREAMBLE.format(study=study, example=example) + "\n".join([*lines, r"\makeatother", ""])


def _with_limits(name: str, row: Mapping[Any, Any], measure: str) -> Numbers:
    limits = _percent_limits(row[f"{measure}_low"], row[f"{measure}_high"])
    return {name: _share(row[measure]), f"{name}_interval": limits}


def _share(value: float) -> Number:
    return _number(value, ".1f", 100)


def _epochs(value: float) -> Number:
    return _number(value, ".1f")


def _points(value: float) -> Number:
    """A difference of shares, with its sign, in percentage points."""
    return Number(None, "—") if pd.isna(value) else Number(float(value), signed(value * 100, 1))


def _percent_limits(low: float, high: float) -> Number:
    """Limits of a share, or of a difference of shares, printed in percent."""
    return _limits(low, high, 1, 100)


def _limits(low: float, high: float, decimals: int, scale: float = 1) -> Number:
    found = None if pd.isna(low) or pd.isna(high) else [float(low), float(high)]
    return Number(found, interval(low * scale, high * scale, decimals))


def _number(value: float, pattern: str, scale: float = 1) -> Number:
    if pd.isna(value):
        return Number(None, "—")
    return Number(float(value), f"{value * scale:{pattern}}".replace("-", "\N{MINUS SIGN}"))


def _epsilon(value: Any) -> str:
    """A perturbation size as objectives' names have it, `4_255`."""
    return format_epsilon(float(value)).replace("/", "_")


def _count(number: int) -> Number:
    return Number(number, f"{number:,}")


def _words(text: str) -> Number:
    return Number(text, text)
