"""Two versions of a study side by side, as a page in Markdown: params, numbers with intervals, figures."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tradeoff.analysis.metrics import last_and_peak, panel_names
from tradeoff.analysis.points import PANEL, under
from tradeoff.analysis.study_file import headline, probes_of_kind
from tradeoff.artifacts.results import Results
from tradeoff.files import sha256_of

# Columns of a value and its limits at the last snapshot, by the name that readers see.
MEASURES = {
    "accuracy": ("accuracy", "low", "high"),
    "robust accuracy": ("robustness", "robustness_low", "robustness_high"),
    "expected robustness": ("expected", "expected_low", "expected_high"),
}
AREA = "trade-off AUC"
NOTHING = "–"


class Value(NamedTuple):
    """A share in [0, 1] with the limits of its interval; NaN where there is none."""

    value: float
    low: float
    high: float


def comparison(before: Path, after: Path, names: tuple[str, str]) -> str:
    """Return what differs between two folders of results, as Markdown.

    before, after: results/<study> of each, of which study.json, tables and figures are read.
    names: what to call the two, for instance commits.
    UserError when one of them holds no results.
    """
    old, new = Results(before), Results(after)
    titles = " and ".join(dict.fromkeys(results.study["study"]["name"] for results in (old, new)))
    parts = [f"# {titles}: {names[0]} → {names[1]}", "## Params", _params(old, new, names), "## Numbers"]
    parts += [_numbers(old, new, names), "## Figures and tables", _files(before, after)]
    return "\n\n".join(parts) + "\n"


def changed_params(old: Any, new: Any, where: str = "") -> dict[str, tuple[Any, Any]]:
    """Return every key that differs, dotted, with its two values; NOTHING where a key is missing."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return {} if old == new else {where: (old, new)}
    changed: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys([*old, *new]):
        inner = f"{where}.{key}" if where else str(key)
        changed |= changed_params(old.get(key, NOTHING), new.get(key, NOTHING), inner)
    return changed


def values(results: Results) -> dict[tuple[str, str, str], Value]:
    """Return each number by panel, strategy and measure; empty without an attack.

    Accuracies are those of the last snapshot under the headline threat; the area is its family's.
    """
    if not probes_of_kind(results.study, "attack"):
        return {}
    named = panel_names(results.study)
    found: dict[tuple[str, str, str], Value] = {}
    for row in last_and_peak(results.study, results.probes).to_dict("records"):
        panel = named[tuple(row[key] for key in PANEL)]
        for measure, columns in MEASURES.items():
            found[panel, row["strategy"], measure] = Value(*(float(row[column]) for column in columns))
    for row in under(results.areas, headline(results.study)).to_dict("records"):
        panel = named[tuple(row[key] for key in PANEL)]
        found[panel, row["family"], AREA] = Value(*(float(row[column]) for column in ("auc", "low", "high")))
    return found


def _params(old: Results, new: Results, names: tuple[str, str]) -> str:
    changed = changed_params(old.study["params"], new.study["params"])
    rows = [[f"`{key}`", *(_shown(value) for value in pair)] for key, pair in changed.items()]
    return _table(["param", *names], rows) if rows else "The same."


def _numbers(old: Results, new: Results, names: tuple[str, str]) -> str:
    before, after = values(old), values(new)
    absent = Value(math.nan, math.nan, math.nan)
    rows = []
    same = 0
    for key in dict.fromkeys([*before, *after]):
        a, b = before.get(key, absent), after.get(key, absent)
        if _percent(a) == _percent(b):
            same += 1
            continue
        rows.append([*key, _percent(a), _percent(b), _difference(a, b)])
    notes = [f"{same} numbers are the same." if same else "", _threats(old, new)]
    if rows:
        notes.append(
            "In percent, with intervals over test samples; differences in percentage points, **bold** where the"
            " two intervals do not overlap."
        )
        notes.append(_table(["panel", "strategy", "number", *names, "difference"], rows))
    return "\n\n".join(filter(None, notes)) or "Neither was attacked: there is nothing to compare."


def _threats(old: Results, new: Results) -> str:
    """A warning when robustness means another thing in each."""
    attacked = [results for results in (old, new) if probes_of_kind(results.study, "attack")]
    threats = [str(results.threat) for results in attacked]
    return f"**Not the same threat**: {threats[0]} against {threats[1]}." if len(set(threats)) == 2 else ""


def _files(before: Path, after: Path) -> str:
    rows = []
    for folder, looks in (("figures", ".png"), ("tables", ".md")):
        names = [sorted(path.stem for path in (root / folder).glob(f"*{looks}")) for root in (before, after)]
        for name in sorted({*names[0], *names[1]}):
            if name not in names[1]:
                state = "gone"
            elif name not in names[0]:
                state = "new"
            elif _differ(before, after, f"{folder}/{name}.csv"):
                state = "other data"
            elif _differ(before, after, f"{folder}/{name}{looks}"):
                state = "the same data, shown otherwise"
            else:
                continue
            rows.append([f"{folder}/{name}", state])
    return _table(["file", "what changed"], rows) if rows else "All the same, bit for bit."


def _differ(before: Path, after: Path, file: str) -> bool:
    return sha256_of(before / file) != sha256_of(after / file)


def _percent(value: Value) -> str:
    if math.isnan(value.value):
        return NOTHING
    shown = f"{100 * value.value:.1f}"
    return shown if math.isnan(value.low) else f"{shown} [{100 * value.low:.1f}, {100 * value.high:.1f}]"


def _difference(a: Value, b: Value) -> str:
    difference = 100 * (b.value - a.value)
    if math.isnan(difference):
        return NOTHING
    apart = a.high < b.low or b.high < a.low
    return f"**{difference:+.1f}**" if apart else f"{difference:+.1f}"


def _shown(value: Any) -> str:
    return value if value == NOTHING else f"`{json.dumps(value, ensure_ascii=False)}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
