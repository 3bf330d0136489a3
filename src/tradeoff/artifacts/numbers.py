"""The numbers that a text quotes, each with a name and as the text prints it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tradeoff.analysis.metrics import metrics, panel_names
from tradeoff.analysis.points import PANEL, under
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import escaped
from tradeoff.artifacts.text import interval

AREAS = 3  # decimals of an area

# Where a name is unknown LaTeX stops: a text never silently lacks a number.
_PREAMBLE = r"""% The numbers of study {study}: \input this file, then write \tradeoff{{{example}}}.
\makeatletter
\newcommand{{\tradeoff}}[1]{{\ifcsname tradeoff@#1\endcsname\csname tradeoff@#1\endcsname\else
  \PackageError{{tradeoff}}{{No number '#1'}}{{Look it up in numbers.json.}}\fi}}
"""


@dataclass(frozen=True)
class Number:
    """One number: its value, unrounded where results are, and as it is printed (shares in percent)."""

    value: float | int | str | None
    text: str


def numbers(results: Results) -> dict[str, Number]:
    """Return the study's numbers by name, `panel/strategy/metric`, `panel/best/strategy` or one word.

    Metrics are those of metrics.json, and `auc_interval`. The best strategy is the one of the largest area
    under the headline threat, `panel/best/auc`. UserError without an attack probe.
    """
    runs = results.study["runs"]
    found = {
        "title": _words(results.study["study"]["title"]),
        "threat": Number(str(results.threat), results.threat_label),
        "runs": _count(len(runs)),
        "datasets": _count(len({run["dataset"] for run in runs})),
        "strategies": _count(len({run["strategy"] for run in runs})),
    }
    areas = under(results.areas, results.threat)
    for panel, strategies in metrics(results.study, results.probes, results.areas).items():
        for strategy, values in strategies.items():
            found |= {f"{panel}/{strategy}/{name}": _metric(name, value) for name, value in values.items()}
    named = panel_names(results.study)
    strategies_of: dict[tuple[str, ...], list[str]] = {}
    for run in runs:
        strategies_of.setdefault((*(run[key] for key in PANEL), run["family"]), []).append(run["strategy"])
    for keys, rows in areas.groupby(PANEL, sort=False):
        panel = named[tuple(map(str, keys))]
        records = rows.sort_values("auc", ascending=False, kind="stable").to_dict("records")
        for row in records:
            limits = interval(row["low"], row["high"], AREAS)
            for strategy in strategies_of[(*map(str, keys), row["family"])]:
                found[f"{panel}/{strategy}/auc_interval"] = _words(limits)
        found[f"{panel}/best/strategy"] = _words(look(records[0]["family"]).label)
        found[f"{panel}/best/auc"] = _metric("auc", float(records[0]["auc"]))
    return found


def as_json(found: Mapping[str, Number]) -> dict[str, Any]:
    """Return the numbers as plain values."""
    return {name: asdict(number) for name, number in found.items()}


def as_latex(study: str, found: Mapping[str, Number]) -> str:
    r"""Return LaTeX that defines ``\tradeoff{name}`` for every number."""
    example = next(name for name in found if name.endswith("/auc"))
    lines = [f"\\@namedef{{tradeoff@{name}}}{{{escaped(number.text)}}}" for name, number in found.items()]
    return _PREAMBLE.format(study=study, example=example) + "\n".join([*lines, r"\makeatother", ""])


def _metric(name: str, value: float | int | None) -> Number:
    if value is None:
        return Number(None, "—")
    if name == "peak_step":
        return _count(int(value))
    return Number(value, f"{value:.{AREAS}f}" if name == "auc" else f"{100 * value:.1f}")


def _count(number: int) -> Number:
    return Number(number, f"{number:,}")


def _words(text: str) -> Number:
    return Number(text, text)
