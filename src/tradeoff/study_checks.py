"""What params ask for beyond their schema: names that exist, numbers that fit each other, files that are there."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradeoff import families, probes, strategies
from tradeoff.data import registry
from tradeoff.errors import UserError
from tradeoff.params.epsilon import parse_epsilon
from tradeoff.schedules import in_epochs
from tradeoff.variants import variants

if TYPE_CHECKING:
    from tradeoff.study import Study

# From so many classes on, the losses of all attacks are defined.
ENOUGH_CLASSES = 4


def check(study: "Study") -> None:
    """Raise UserError for the first thing that the study asks for and cannot have."""
    _check_left_out(study)
    _check_headline(study)
    _check_tuning(study)
    _check_upstream(study)
    for name in study.params["study"]["probes"]:
        _check_test_sets(study, name)
        _check_shortcuts(study, name)
    for reference in study.params["study"]["datasets"]:
        name, domain = registry.split_reference(reference)
        registry.check(name, study.params["datasets"], domain)
    for name in study.datasets():
        registry.check(name, study.params["datasets"], None)
    if study.mirror:
        registry.check_mirror(
            study.datasets(), study.params["datasets"], study.mirror, study.mirrored_weights()
        )
    else:
        for backbone in study.params["study"]["backbones"]:
            _check_weights(study, backbone)
    for backbone in study.params["study"]["backbones"]:
        model = study.params["backbones"][backbone]["model"]
        families.family_of(model)
        for strategy in study.params["study"]["strategies"]:
            try:
                strategies.check_applies(strategy, model, study.params["strategies"][strategy])
            except UserError as error:
                raise UserError(
                    f"study.strategies: {strategy} on backbone {backbone}",
                    error.found,
                    error.expected,
                    error.do,
                ) from None
    _check_targets(study)
    _check_ramps(study)
    for name in study.params["study"]["probes"]:
        _check_classes(study, name)
    _check_norms(study)


def _check_left_out(study: "Study") -> None:
    """What is left out has a name, so that a misspelt one is not run after all, and something remains."""
    params = study.params
    known = {
        "dataset": set(params["study"]["datasets"]),
        "backbone": set(params["study"]["backbones"]),
        "strategy": _with_variants(params["strategies"]),
        "objective": _with_variants(params["objectives"]),
        "seed": set(params["study"]["seeds"]),
    }
    for entry in params["study"]["leave_out"]:
        for part, names in known.items():
            for name in entry.get(part, ()):
                if name not in names:
                    raise UserError(
                        f"study.leave_out: {part}", repr(name), f"one of {', '.join(map(str, sorted(names)))}"
                    )
    if not study.runs:
        raise UserError("study.leave_out", "every run is left out", "a run that stays")


def _with_variants(sections: dict[str, Any]) -> set[str]:
    """Names of strategies or objectives, and of all their variants."""
    return set(sections) | {
        variant.name for name, section in sections.items() for variant in variants(name, section)
    }


def _check_headline(study: "Study") -> None:
    headline = study.params["tradeoff"]["headline"]
    if headline is None:
        return
    name, epsilon = headline["probe"], parse_epsilon(headline["epsilon"])
    chosen = study.params["study"]["probes"]
    if name not in chosen:
        raise UserError("tradeoff.headline.probe", repr(name), f"one of study.probes: {', '.join(chosen)}")
    epsilons = study.params["probes"][name].get("epsilons", [])
    if epsilon not in map(parse_epsilon, epsilons):
        raise UserError(
            "tradeoff.headline.epsilon",
            str(headline["epsilon"]),
            f"one of the epsilons of probe {name}: {', '.join(map(str, epsilons)) or 'none'}",
        )


def _check_tuning(study: "Study") -> None:
    objectives = {run.objective for run in study.runs.values()}
    chosen = study.params["tuning"]["objective"]
    if chosen not in (None, "each", *objectives):
        raise UserError(
            "tuning.objective", repr(chosen), f"one of {', '.join(sorted(objectives))}, each or null"
        )
    cells = {
        cell
        for run in study.runs.values()
        for cell in (f"{run.name.rsplit('/', 2)[0]}", run.name.rsplit("/", 1)[0])
    }
    for section in ("recipes", "tuned"):
        for cell in study.params[section]:
            if cell not in cells:
                raise UserError(
                    f"{section}.{cell}",
                    "no such cell in this study",
                    "dataset/backbone/strategy[/objective]",
                )


def _check_upstream(study: "Study") -> None:
    """Upstream data exist, and are stated for backbones that there are and that are not pre-trained here."""
    backbones = study.params["backbones"]
    for backbone, reference in study.params["tasks"]["upstream"].items():
        where = f"tasks.upstream.{backbone}"
        if backbone not in backbones:
            raise UserError(where, "no such backbone", f"one of {', '.join(backbones)}")
        if "pretrain" in backbones[backbone]["weights"]:
            raise UserError(
                where, "a backbone that is pre-trained here", "weights that come with no data", "remove it"
            )
        name, domain = registry.split_reference(reference)
        registry.check(name, study.params["datasets"], domain)


def _check_test_sets(study: "Study", probe: str) -> None:
    """The datasets that a shift names exist: a misspelt one would leave the probe out without a word."""
    for dataset, others in study.params["probes"][probe].get("test_sets", {}).items():
        for reference in (dataset, *others):
            name, domain = registry.split_reference(reference)
            try:
                registry.check(name, study.params["datasets"], domain)
            except UserError as error:
                raise UserError(
                    f"probes.{probe}.test_sets.{dataset}",
                    f"{error.found} {reference}",
                    error.expected,
                    error.do,
                ) from None


def _check_shortcuts(study: "Study", probe: str) -> None:
    """Shortcuts are only taken where they mean something."""
    spec = study.params["probes"][probe]
    shortcuts = spec.get("shortcuts") or {}
    refused = [
        ("warm_start", "criterion", spec.get("criterion", "any_iterate") != "any_iterate", "any_iterate"),
        ("early_accept", "targets", spec.get("targets", 0) > 0, "0"),
    ]
    for shortcut, key, fails, expected in refused:
        if shortcuts.get(shortcut) and fails:
            raise UserError(
                f"probes.{probe}.{key}",
                str(spec[key]),
                f"{expected} with {shortcut}",
                f"or leave {shortcut} out",
            )


def _check_weights(study: "Study", backbone: str) -> None:
    """Without a mirror, a file of weights is where it is looked for."""
    file = study.params["backbones"][backbone]["weights"].get("file")
    if file is not None and not Path(file).is_file():
        raise UserError(
            f"backbones.{backbone}.weights.file",
            f"no file at {file}",
            "the weights there",
            "or name a mirror (data.mirror, TRADEOFF_MIRROR) that holds them",
        )


def _check_targets(study: "Study") -> None:
    """Where networks have no blocks, LoRA has one target, 1x1 convolutions: a choice would not be what it says."""
    for run in study.runs.values():
        model = run.spec["backbone_spec"]["model"]
        for where, params in _loras(**run.spec["strategy_spec"]):
            if "targets" not in params or families.family_of(model) in strategies.WITH_MLP:
                continue
            # This imports torch, which takes seconds: for such networks only.
            default = strategies.load("lora", {}).params.targets
            if list(params["targets"]) != list(default):
                raise UserError(
                    f"{where}.targets on backbone {run.backbone}",
                    ", ".join(params["targets"]),
                    "the default, which stands for every 1x1 convolution there, as it has no such matrices",
                    "leave out the targets, or the backbone",
                )


def _loras(name: str, params: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Where params state LoRA's settings of a strategy, and those settings."""
    if name == "union":
        members = params.get("members", {})
        return [("strategies.union.members.lora", members["lora"])] if "lora" in members else []
    return [("strategies.lora", params)] if name == "lora" else []


def _check_ramps(study: "Study") -> None:
    """No ramp of the perturbation size ends before it starts, or starts after the training."""
    for run in study.runs.values():
        times, epochs = run.spec["objective_spec"]["params"], run.spec["training"]["epochs"]
        for start in ("t1", "at"):
            if in_epochs(times.get(start, 0), epochs) > epochs:
                raise UserError(
                    f"objectives.{run.objective_family}.{start}",
                    f"{times[start]}, with {epochs} epochs",
                    "no later than the last epoch (shares of all epochs up to 1, epochs above)",
                )
        if "t1" in times and in_epochs(times["t1"], epochs) > in_epochs(times["t2"], epochs):
            raise UserError(
                f"objectives.{run.objective_family}.t2",
                f"{times['t2']}, with t1 = {times['t1']} and {epochs} epochs",
                "no earlier than t1 (both count epochs above 1, and are shares of all epochs up to 1)",
            )


def _check_classes(study: "Study", probe: str) -> None:
    """An attack's loss is defined for as many classes as the study's datasets have, where that is known."""
    spec = study.probe_spec(probe)
    if spec["kind"] != "attack":
        return
    for dataset in study.params["study"]["datasets"]:
        name = registry.split_reference(dataset)[0]
        classes = registry.classes(name, study.definition(name))
        if classes is None or classes >= ENOUGH_CLASSES:
            continue
        try:
            # This imports torch, which takes seconds: for few classes only.
            probes.load("attack").threat_of(spec).attempts(classes)
        except UserError as error:
            raise UserError(
                f"probes.{probe} on dataset {dataset}", error.found, error.expected, error.do
            ) from None


def _check_norms(study: "Study") -> None:
    """Models are judged at the ε_g of their objective, which is only the same size in the same norm."""
    judged = _judged_in(study)
    for run in study.runs.values():
        params = run.spec["objective_spec"]["params"]
        trained = params.get("norm", "linf")
        for where, norm in judged.items():
            if "epsilon" in params and norm != trained:
                raise UserError(
                    where, norm, f"{trained}, the norm that objectives.{run.objective_family} trains with"
                )


def _judged_in(study: "Study") -> dict[str, str]:
    """Norms of the attacks that robust objectives are judged by, by where params state them."""
    params = study.params
    attacks = [name for name in params["study"]["probes"] if params["probes"][name]["kind"] == "attack"]
    headline = params["tradeoff"]["headline"]
    name = headline["probe"] if headline else next(iter(attacks), None)
    judged = {f"probes.{name}.norm": params["probes"][name].get("norm", "linf")} if name else {}
    if params["robust_validation"]:
        judged["robust_validation.norm"] = params["robust_validation"]["norm"]
    return judged
