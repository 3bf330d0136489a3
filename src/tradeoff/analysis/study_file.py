"""study.json: what a study consists of, as far as analysis and artifacts need to know. Cheap to import."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradeoff.data.registry import split_reference
from tradeoff.errors import UserError
from tradeoff.params.epsilon import format_epsilon, parse_epsilon
from tradeoff.probes.flags import ANY_IMAGE
from tradeoff.seals import read_sealed

StudyFile = dict[str, Any]

PUBLISHED_AREAS = Path(__file__).parents[1] / "published" / "iccv2025_auc.csv"
# The columns that say which run a row belongs to.
RUN_COLUMNS = (
    *("run", "dataset", "backbone", "strategy", "family", "variant"),
    *("objective", "objective_family", "objective_epsilon", "seed"),
)

# How papers call each attack, and what they count of it with its default; an attack not listed goes by its own name.
ATTACK_NAMES = {
    "fgsm": ("FGSM", {}),
    "pgd": ("PGD-{steps}", {"steps": 15}),
    "apgd": ("APGD-{steps}", {"steps": 100}),
    "fab": ("FAB-{steps}", {"steps": 100}),
    "square": ("Square, {queries:,} queries", {"queries": 5000}),
    "autoattack": ("AutoAttack", {"steps": 100, "targets": 9, "queries": 5000}),
}
NORM_NAMES = {"linf": "ℓ∞", "l2": "ℓ2"}


@dataclass(frozen=True)
class Threat:
    """One attack probe at one perturbation size."""

    probe: str
    epsilon: float

    def __str__(self) -> str:
        return f"{self.probe}, ε = {format_epsilon(self.epsilon)}"


def read_study(path: str | Path) -> StudyFile:
    """Read results/<study>/study.json; UserError when it is missing, broken, or no study."""
    study = read_sealed(path)
    if not {"study", "params", "runs"} <= set(study):
        raise UserError(
            str(path), "something else", "a study with params and runs", "rerun the rule that makes it"
        )
    return study


def probes_of_kind(study: StudyFile, kind: str) -> list[str]:
    """Return the names of the study's probes of a kind (attack, shift, ...) that any run has, in order."""
    used = {probe for run in study["runs"] for probe in run["probes"]}
    settings = study["params"]["probes"]
    return [
        name for name in study["params"]["study"]["probes"] if name in used and settings[name]["kind"] == kind
    ]


def attack_probes(study: StudyFile) -> list[str]:
    """Return the names of the study's attack probes that any run has; UserError when there are none."""
    probes = probes_of_kind(study, "attack")
    if not probes:
        raise UserError(
            "study.probes",
            "no attack probe that any run has",
            "at least one, to speak of robustness",
            "list an attack probe in study.probes",
        )
    return probes


def epsilons(study: StudyFile, probe: str) -> list[float]:
    """Return an attack probe's perturbation sizes, rising, without 0."""
    return [parse_epsilon(epsilon) for epsilon in study["params"]["probes"][probe]["epsilons"]]


def probe_label(study: StudyFile, probe: str) -> str:
    """Return how readers know an attack probe: `PGD-10, ℓ∞`; its name in params besides where that is another's too.

    A probe of another kind goes by its name in params.
    """
    attacks = probes_of_kind(study, "attack")
    if probe not in attacks:
        return probe
    settings = study["params"]["probes"]
    label = _attack_label(settings[probe])
    same = sum(_attack_label(settings[name]) == label for name in attacks)
    return f"{label} ({probe})" if same > 1 else label


def threat_label(study: StudyFile, threat: Threat) -> str:
    """Return how readers know a threat: `PGD-10, ℓ∞, ε = 2/255`."""
    return f"{probe_label(study, threat.probe)}, ε = {format_epsilon(threat.epsilon)}"


def _attack_label(settings: dict[str, Any]) -> str:
    """An attack with its steps, and what of it is unusual, and its norm."""
    name, counted = ATTACK_NAMES.get(settings["attack"], (settings["attack"], {}))
    counts = {key: settings.get(key, default) for key, default in counted.items()}
    words = [name.format(**counts)]
    if settings["attack"] == "autoattack":
        words += [f"{count:,} {key}" for key, count in counts.items() if count != counted[key]]
    elif "targets" in settings and settings["targets"] and settings["attack"] != "fab":
        words.append(f"{settings['targets']} targets")
    if settings.get("loss", "ce") != "ce":
        words.append(f"{settings['loss'].upper()} loss")
    if settings.get("restarts", 1) > 1:
        words.append(f"{settings['restarts']} restarts")
    return ", ".join([*words, NORM_NAMES[settings["norm"]]])


def dataset_label(study: StudyFile, reference: str) -> str:
    """Return how readers know a dataset or a domain: `PACS, art painting`; its name in params where it has no title.

    What a title says in brackets at its end is left out, unless it tells datasets of the study apart.
    """
    name, domain = split_reference(reference)
    titles: dict[str, str] = study.get("titles", {})
    if name not in titles:
        return reference
    short = [title.partition(" (")[0] for title in titles.values()]
    title = titles[name].partition(" (")[0]
    title = titles[name] if short.count(title) > 1 else title
    return f"{title}, {domain.replace('_', ' ')}" if domain else title


def telling(study: StudyFile, probe: str, sizes: Iterable[float]) -> list[float]:
    """Return those of an attack probe's perturbation sizes at which strategies may differ, for figures and tables.

    At an ℓ∞ one of 0.5 every image can be made plain grey: it checks the attack, which flags report.
    """
    norm = study["params"]["probes"][probe]["norm"]
    return [size for size in sizes if norm != "linf" or size < ANY_IMAGE]


def threats(study: StudyFile) -> list[Threat]:
    """Return every attack probe at every perturbation size."""
    return [
        Threat(probe, epsilon)
        for probe in probes_of_kind(study, "attack")
        for epsilon in epsilons(study, probe)
    ]


def headline(study: StudyFile) -> Threat:
    """Return the threat that figures with room for one show.

    It is `tradeoff.headline` (probe and epsilon) in params; without it, the first attack probe at the
    middle of its perturbation sizes, the lower of two. UserError without an attack probe.
    """
    chosen = study["params"]["tradeoff"]["headline"]
    first = attack_probes(study)[0]
    if chosen is None:
        sizes = epsilons(study, first)
        return Threat(first, sizes[(len(sizes) - 1) // 2])
    threat = Threat(chosen["probe"], parse_epsilon(chosen["epsilon"]))
    available = threats(study)
    if threat not in available:
        raise UserError("tradeoff.headline", str(threat), f"one of {'; '.join(map(str, available))}")
    return threat


def swept_families(study: StudyFile) -> list[str]:
    """Return the families of strategies of which the study has several variants, in its order."""
    variants: dict[str, set[str]] = {}
    for run in study["runs"]:
        variants.setdefault(run["family"], set()).add(run["strategy"])
    return [family for family, names in variants.items() if len(names) > 1]


def published_strategies(study: StudyFile) -> list[str]:
    """Return the strategies of Li et al. (ICCV 2025) that the study fine-tunes one of their datasets with, sorted."""
    with open(PUBLISHED_AREAS, newline="") as file:
        rows = list(csv.DictReader(file))
    return sorted(
        {row["strategy"] for row in rows}
        & {
            run["family"]
            for run in study["runs"]
            if run["objective_family"] == "standard" and run["dataset"] in rows[0]
        }
    )


def expected_up_to(study: StudyFile, probe: str) -> float:
    """Return the largest of an attack probe's epsilons that expected robustness averages over; 0 for none.

    It is the largest one no larger than `tradeoff.expected_up_to` in params; without that, the largest.
    """
    limit = study["params"]["tradeoff"]["expected_up_to"]
    sizes = epsilons(study, probe)
    return max((size for size in sizes if limit is None or size <= parse_epsilon(limit)), default=0.0)


def budgets(study: StudyFile) -> list[float]:
    """Return the ε_g of a study's robust objectives, rising; none when there are no such objectives."""
    return sorted({run["objective_epsilon"] for run in study["runs"] if run["objective_epsilon"] > 0})


def budgets_probed(study: StudyFile) -> list[float]:
    """Return those of `budgets` that the headline's probe attacks with."""
    if not probes_of_kind(study, "attack"):
        return []
    sizes = epsilons(study, headline(study).probe)
    return [budget for budget in budgets(study) if any(math.isclose(budget, size) for size in sizes)]
