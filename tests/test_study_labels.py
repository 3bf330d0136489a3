"""What readers read for the probes and datasets of a study, which params call by short names."""

from typing import Any

import pytest

from tradeoff import attacks
from tradeoff.analysis.study_file import (
    ATTACK_NAMES,
    Threat,
    dataset_label,
    probe_label,
    threat_label,
)


def study(**probes: dict[str, Any]) -> dict[str, Any]:
    settings = {name: {"kind": "attack", "norm": "linf"} | spec for name, spec in probes.items()}
    runs = [{"probes": dict.fromkeys(settings, "")}]
    return {"params": {"study": {"probes": [*settings]}, "probes": settings}, "runs": runs}


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        ({"attack": "pgd", "steps": 10}, "PGD-10, ℓ∞"),
        ({"attack": "pgd", "steps": 10, "norm": "l2", "restarts": 3}, "PGD-10, 3 restarts, ℓ2"),
        ({"attack": "apgd", "steps": 10, "loss": "dlr", "targets": 9}, "APGD-10, 9 targets, DLR loss, ℓ∞"),
        ({"attack": "fgsm"}, "FGSM, ℓ∞"),
        ({"attack": "fab"}, "FAB-100, ℓ∞"),
        ({"attack": "square"}, "Square, 5,000 queries, ℓ∞"),
        ({"attack": "autoattack", "steps": 100}, "AutoAttack, ℓ∞"),
        ({"attack": "autoattack", "steps": 20, "queries": 1000}, "AutoAttack, 20 steps, 1,000 queries, ℓ∞"),
        ({"attack": "of_my_own"}, "of_my_own, ℓ∞"),
    ],
)
def test_attacks_are_called_as_papers_call_them(spec: dict[str, Any], label: str) -> None:
    assert probe_label(study(mine=spec), "mine") == label
    assert threat_label(study(mine=spec), Threat("mine", 2 / 255)) == f"{label}, ε = 2/255"


def test_probes_that_would_be_called_alike_have_their_names_besides() -> None:
    made = study(
        first={"attack": "pgd", "steps": 10, "seed": 0},
        second={"attack": "pgd", "steps": 10, "seed": 1},
        third={"attack": "pgd", "steps": 20},
    )
    labels = [probe_label(made, name) for name in ("first", "second", "third")]
    assert labels == ["PGD-10, ℓ∞ (first)", "PGD-10, ℓ∞ (second)", "PGD-20, ℓ∞"]


def test_a_probe_that_is_no_attack_goes_by_its_name() -> None:
    assert probe_label(study(shifted={"kind": "shift"}), "shifted") == "shifted"


@pytest.mark.parametrize("name", ATTACK_NAMES)
def test_what_the_name_of_an_attack_counts_has_the_default_of_the_attack(name: str) -> None:
    _, counted = ATTACK_NAMES[name]
    params = attacks.load(name).Params()
    assert counted == {key: getattr(params, key) for key in counted}


@pytest.mark.parametrize(
    ("reference", "label"),
    [
        ("cifar10", "CIFAR-10"),
        ("pacs.art_painting", "PACS, art painting"),
        ("digits", "Handwritten digits"),
        ("cats_a", "Cats (2019)"),
        ("mine.photo", "mine.photo"),
    ],
)
def test_datasets_go_by_their_titles_where_they_have_one(reference: str, label: str) -> None:
    titles = {
        "cifar10": "CIFAR-10",
        "pacs": "PACS",
        "digits": "Handwritten digits (scikit-learn)",
        "cats_a": "Cats (2019)",
        "cats_b": "Cats (2020)",
    }
    assert dataset_label({"titles": titles}, reference) == label
    assert dataset_label({}, reference) == reference
