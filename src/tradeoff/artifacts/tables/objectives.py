"""Clean, adversarial and expected accuracy under each objective, in every cell of a study."""

import pandas as pd

from tradeoff import published
from tradeoff.analysis.cells import CELL, MEASURES, METHOD, final_means
from tradeoff.analysis.study_file import budgets, probes_of_kind
from tradeoff.artifacts.comparisons import varied, words
from tradeoff.artifacts.looks import method_look
from tradeoff.artifacts.overlays import prefixed, published_columns, published_of
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.tables import Cell, Table
from tradeoff.artifacts.tables.counts import counted
from tradeoff.artifacts.tables.shares import share_cells
from tradeoff.artifacts.text import two_noted
from tradeoff.params.epsilon import format_epsilon


def make(results: Results) -> Table:
    """Set one row per cell, ε_g and objective, at the last snapshot: in percent with intervals.

    Each attack probe has a column for adversarial accuracy, at ε_g, and one for expected robustness, from 0 to
    ε_g. Columns of published numbers stand beside where the study has cells of Ngnawé et al. (ICLR 2026).
    """
    data = _measured(results)
    data = data.merge(prefixed(published_of(data)), on=list(METHOD), how="left")
    data = data.merge(
        prefixed(_under_autoattack(results), "autoattack_published"), on=list(METHOD), how="left"
    )
    columns = _columns(results, data)
    shown = varied(results)
    rows = []
    for budget in budgets(results.study):
        for _, block in data[data["epsilon_g"] == budget].groupby(list(CELL), sort=False):
            cells = [share_cells(block, *names) for names in columns.values()]
            for index, row in enumerate(block.to_dict("records")):
                about = [words(results, key, row[key]) for key in shown]
                about += [format_epsilon(budget), method_look(row["method"]).label]
                rows.append([*map(Cell, about), *(column[index] for column in cells)])
    header = [*map(str.capitalize, shown), "ε_g", "Objective", *columns]
    caption = (
        f"{results.study['study']['title']}: clean accuracy, adversarial accuracy at ε_g, and expected"
        " robustness, the mean accuracy over perturbation sizes from 0 to ε_g, in percent at the last snapshot, with"
        f" 95% intervals, of expected robustness at least 95%{two_noted(data['seeds'])}{counted(data)}. Bold: best at"
        " that ε_g; underlined: second."
    )
    return Table(caption, header, rows, data, left=len(shown) + 2)


def _measured(results: Results) -> pd.DataFrame:
    """Clean accuracy once, and adversarial and expected accuracy under every attack probe, `<name>:<probe>`."""
    data = None
    for probe in probes_of_kind(results.study, "attack"):
        table = final_means(results.study, results.probes, probe)
        measured = {
            f"{name}{end}": f"{name}:{probe}{end}" for name in MEASURES[1:] for end in ("", "_low", "_high")
        }
        table = table.rename(columns=measured)
        data = table if data is None else data.merge(table[[*METHOD, *measured.values()]], on=list(METHOD))
    assert data is not None  # the study has an attack probe
    return data


def _columns(results: Results, data: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Titles, and the columns behind them."""
    probes = probes_of_kind(results.study, "attack")
    columns: dict[str, tuple[str, ...]] = {"Clean": ("clean", "clean_low", "clean_high")}
    for probe in probes:
        for name in MEASURES[1:]:
            title = (
                f"{name.capitalize()}, {results.attack_labels[probe]}"
                if len(probes) > 1
                else name.capitalize()
            )
            columns[title] = tuple(f"{name}:{probe}{end}" for end in ("", "_low", "_high"))
    columns |= published_columns(data)
    if data["autoattack_published_clean"].notna().any():
        columns |= {
            f"{name.capitalize()}, AutoAttack, published": (f"autoattack_published_{name}",)
            for name in MEASURES[1:]
        }
    return columns


def _under_autoattack(results: Results) -> pd.DataFrame:
    """What was published under AutoAttack, if the study has a probe that attacks with it."""
    settings = results.study["params"]["probes"]
    probes = probes_of_kind(results.study, "attack")
    table = published.autoattack_results()
    chosen = table["attack"].eq("autoattack") & any(
        settings[name]["attack"] == "autoattack" for name in probes
    )
    return table[chosen].drop(columns="attack")
