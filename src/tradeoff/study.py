"""A study, resolved: every run with all of its settings, and every probe of it.

Everything the workflow decides comes from here, so it is pure and fast: no torch (but to check attacks
on fewer than four classes), no files but params.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tradeoff import families, probes, strategies
from tradeoff.data import registry
from tradeoff.errors import UserError
from tradeoff.files import digest_of
from tradeoff.params.epsilon import parse_epsilon
from tradeoff.params.load import Params
from tradeoff.schedules import in_epochs

# From so many classes on, the losses of all attacks are defined.
ENOUGH_CLASSES = 4


@dataclass(frozen=True)
class Run:
    """One fine-tuning: what it is called, where it belongs, and its resolved settings.

    name: dataset/backbone/strategy/objective/seed<k>, also its folder below results/<study>/runs.
    strategy: the variant's name (`lora-rank4`); family: the strategy it is a variant of (`lora`);
    variant: what sets it apart (`rank 4`), empty without a sweep.
    objective: the variant's name (`rft_fix-epsilon4_255`); objective_family: the objective it is a variant of;
    objective_epsilon: its largest perturbation, 0 for the standard objective.
    spec: everything that decides the result, and nothing that does not; digest: its sha256.
    """

    name: str
    dataset: str
    backbone: str
    strategy: str
    family: str
    variant: str
    objective: str
    objective_family: str
    objective_epsilon: float
    seed: int
    spec: dict[str, Any]

    @cached_property
    def digest(self) -> str:
        return digest_of(self.spec)


class Study:
    """The runs and probes that params ask for.

    params: checked params (`tradeoff.params.load_params`).
    mirror: a folder with datasets and weights; with it, nothing is fetched from elsewhere.
    UserError when a dataset is unknown or a strategy does not apply to a backbone.
    """

    def __init__(self, params: Params, mirror: Path | None = None) -> None:
        self.params = params
        self.mirror = mirror
        self.name: str = params["study"]["name"]
        self._check()

    @property
    def root(self) -> str:
        """The folder of the study's results."""
        return f"results/{self.name}"

    # --- runs

    @cached_property
    def runs(self) -> dict[str, Run]:
        """Every run by name, in the order of params."""
        chosen = self.params["study"]
        runs = (
            self._run(dataset, backbone, variant, objective, seed)
            for dataset in chosen["datasets"]
            for backbone in chosen["backbones"]
            for strategy in chosen["strategies"]
            for variant in variants(strategy, self.params["strategies"][strategy])
            for name in chosen["objectives"]
            for objective in variants(name, self.params["objectives"][name])
            for seed in chosen["seeds"]
        )
        return {run.name: run for run in runs}

    def _run(self, dataset: str, backbone: str, variant: "Variant", objective: "Variant", seed: int) -> Run:
        params = self.params
        objective_params = dict(objective.params)
        if "epsilon" in objective_params:
            objective_params["epsilon"] = parse_epsilon(objective_params["epsilon"])
        epsilon = objective_params.get("epsilon", 0.0)
        cell = f"{dataset}/{backbone}/{variant.name}/{objective.name}"
        spec = {
            "dataset": dataset,
            "backbone": backbone,
            "strategy": variant.name,
            "objective": objective.name,
            "seed": seed,
            "data": self._data_settings(test=None),
            "definition": self.definition(registry.split_reference(dataset)[0]),
            "backbone_spec": params["backbones"][backbone],
            "pretraining": self.pretraining_spec(backbone) if backbone in self.pretrained() else None,
            "strategy_spec": {"name": variant.family, "params": variant.params},
            "objective_spec": {"name": objective.family, "params": objective_params},
            "training": params["training"] | variant.training | objective.training | self._recipe(cell),
            "robust_validation": self._robust_validation(epsilon),
            "probe_schedule": params["probe_schedule"],
            "snapshots": params["snapshots"],
            "compute": {key: params["compute"][key] for key in ("threads", "device")},
        }
        return Run(
            name=f"{dataset}/{backbone}/{variant.name}/{objective.name}/seed{seed}",
            dataset=dataset,
            backbone=backbone,
            strategy=variant.name,
            family=variant.family,
            variant=variant.label,
            objective=objective.name,
            objective_family=objective.family,
            objective_epsilon=epsilon,
            seed=seed,
            spec=spec,
        )

    def _robust_validation(self, objective_epsilon: float) -> dict[str, Any] | None:
        """What a run attacks at the ends of epochs, with its epsilon as a number; None: nothing."""
        stated = self.params["robust_validation"]
        if stated is None:
            return None
        epsilon = objective_epsilon if stated["epsilon"] is None else parse_epsilon(stated["epsilon"])
        return stated | {"epsilon": epsilon} if epsilon > 0 else None

    # --- recipes of single cells

    def _recipe(self, cell: str) -> dict[str, Any]:
        """What params say of a cell dataset/backbone/strategy/objective: tuned values, and pinned ones over them."""
        recipe: dict[str, Any] = {}
        for section in ("tuned", "recipes"):
            for name in (cell.rpartition("/")[0], cell):
                recipe |= self.params[section].get(name, {})
        return recipe

    def tuning(self) -> dict[str, dict[str, Any]]:
        """The searches of `make tune` by cell, each a spec for `tradeoff.tuning.tune`.

        A cell is dataset/backbone/strategy, tuned on one objective for all, or with /objective where each is tuned.
        Cells with a pinned learning rate are left out; today's tuned values play no part.
        """
        settings = self.params["tuning"]
        search = {name: settings[name] for name in ("learning_rate", "weight_decay") if settings[name]}
        untuned = Study(self.params | {"tuned": {}}, self.mirror)
        chosen = settings["objective"] or next(iter(untuned.runs.values())).objective
        cells = {}
        for run in untuned.runs.values():
            cell = f"{run.dataset}/{run.backbone}/{run.strategy}"
            own = f"{cell}/{run.objective}"
            if run.seed != self.params["study"]["seeds"][0] or chosen not in ("each", run.objective):
                continue
            if "learning_rate" in untuned._recipe(own):
                continue
            training = run.spec["training"]
            if settings["epochs"] is not None:
                training = training | {"epochs": settings["epochs"]}
            cells[own if chosen == "each" else cell] = {
                "run": run.spec | {"training": training, "seed": settings["seed"]},
                "search": search,
                **{key: settings[key] for key in ("trials", "reduction_factor", "seed")},
            }
        return cells

    def _check_tuning(self) -> None:
        objectives = {run.objective for run in self.runs.values()}
        chosen = self.params["tuning"]["objective"]
        if chosen not in (None, "each", *objectives):
            raise UserError(
                "tuning.objective", repr(chosen), f"one of {', '.join(sorted(objectives))}, each or null"
            )
        cells = {
            cell
            for run in self.runs.values()
            for cell in (f"{run.name.rsplit('/', 2)[0]}", run.name.rsplit("/", 1)[0])
        }
        for section in ("recipes", "tuned"):
            for cell in self.params[section]:
                if cell not in cells:
                    raise UserError(
                        f"{section}.{cell}",
                        "no such cell in this study",
                        "dataset/backbone/strategy[/objective]",
                    )

    # --- probes

    def probes_of(self, run: Run) -> list[str]:
        """Names of the probes that apply to a run: a shift needs somewhere to shift to."""
        return [
            name
            for name in self.params["study"]["probes"]
            if self.params["probes"][name]["kind"] != "shift" or self.test_sets(run.dataset, name)
        ]

    def probe_spec(self, name: str) -> dict[str, Any]:
        """The settings of a probe with its epsilons as numbers, and those of `compute` it depends on."""
        spec = dict(self.params["probes"][name])
        spec.pop("test_sets", None)  # those of a run come with the job, see `test_sets`
        if "epsilons" in spec:
            spec["epsilons"] = [parse_epsilon(epsilon) for epsilon in spec["epsilons"]]
        compute = self.params["compute"]
        spec["name"] = name
        spec["limit"] = self.params["data"]["limit"]["test"]
        spec["compute"] = {
            "device": compute["device"],
            "threads": compute["threads"],
            "batch_size": compute["probe_batch"],
            "precision": compute["precision"],
            "channels_last": compute["channels_last"],
            "compile": compute["compile"],
        }
        return spec

    def probe_digest(self, run: Run, name: str) -> str:
        """The sha256 of a probe's settings together with its run's."""
        spec = self.probe_spec(name) | {"test_sets": self.test_sets(run.dataset, name)}
        return digest_of({"probe": spec, "run": run.digest})

    def test_sets(self, dataset: str, probe: str) -> list[str]:
        """Dataset references that a probe tests a run on `dataset` on.

        An attack or clean probe tests on the run's own dataset. A shift probe tests on it too (the
        in-distribution reference), and then on its other domains and on the datasets listed in params;
        an empty list means that there is nowhere to shift to.
        """
        spec = self.params["probes"][probe]
        if spec["kind"] != "shift":
            return [dataset]
        name, domain = registry.split_reference(dataset)
        others = [f"{name}.{other}" for other in self.domains(name) if domain and other != domain]
        others += spec.get("test_sets", {}).get(dataset, [])
        return [dataset, *others] if others else []

    # --- data and backbones

    def domains(self, dataset: str) -> tuple[str, ...]:
        """The domains of a dataset, empty for most."""
        return registry.domains(dataset, self.definition(dataset))

    def definition(self, dataset: str) -> dict[str, Any]:
        """What params say about a dataset; usually nothing."""
        definition: dict[str, Any] = self.params["datasets"].get(dataset, {})
        return definition

    def _data_settings(self, **limits: None) -> dict[str, Any]:
        """How training data are split and limited; `limits` are lifted."""
        data = self.params["data"]
        return {
            "validation_share": data["validation_share"],
            "split_seed": data["split_seed"],
            "limit": data["limit"] | limits,
        }

    def packed(self, dataset: str, backbone: str) -> str:
        """The folder of a dataset (or reference) as a backbone sees it."""
        spec = self.params["backbones"][backbone]
        name, _ = registry.split_reference(dataset)
        interpolation = spec.get("interpolation", "bilinear")
        ending = "" if interpolation == "bilinear" else f"-{interpolation}"
        return f"data/packed/{name}@{spec['image_size']}-{spec['resize']}{ending}"

    def pretrained(self) -> dict[str, str]:
        """Backbones to pre-train here, each with its upstream dataset."""
        weights = {
            name: self.params["backbones"][name]["weights"] for name in self.params["study"]["backbones"]
        }
        return {name: spec["pretrain"] for name, spec in weights.items() if "pretrain" in spec}

    def pretraining_spec(self, backbone: str) -> dict[str, Any]:
        """The resolved settings of a pre-training."""
        recipe = dict(self.params["pretraining"])
        seed = recipe.pop("seed")
        upstream = self.pretrained()[backbone]
        return {
            "backbone_spec": self.params["backbones"][backbone],
            "dataset": upstream,
            "definition": self.definition(upstream),
            "training": recipe,
            "seed": seed,
            # ASSUME: limits are for the downstream data; upstream all images are used.
            "data": self._data_settings(train=None, validation=None, test=None),
            "compute": {key: self.params["compute"][key] for key in ("threads", "device")},
        }

    def datasets(self) -> list[str]:
        """Names of all datasets that the study needs, upstream and shifted ones included."""
        references = [
            *self.params["study"]["datasets"],
            *self.pretrained().values(),
            *itertools.chain.from_iterable(
                self.test_sets(dataset, probe)
                for dataset in self.params["study"]["datasets"]
                for probe in self.params["study"]["probes"]
            ),
        ]
        return sorted({registry.split_reference(reference)[0] for reference in references})

    def source_kind(self, dataset: str) -> str:
        """Where a dataset comes from: generated, mirror, hub, folder or parquet."""
        return registry.source_kind(dataset, self.definition(dataset), self.mirror)

    def check_sources(self) -> None:
        """Raise UserError unless everything the study needs can be fetched, as far as that shows beforehand.

        Apart from the other checks, so that a study can be planned before its revisions are known.
        """
        if self.mirror:
            return  # checked already: a mirror holds everything or is refused
        registry.check_hub(self.datasets(), self.params["datasets"])
        for backbone in self.params["study"]["backbones"]:
            weights = self.params["backbones"][backbone]["weights"]
            if "hub" in weights and weights["revision"] is None:
                raise UserError(
                    f"backbones.{backbone}.weights.revision",
                    "none",
                    f"the commit of {weights['hub']} to download, 40 hexadecimal digits",
                    f"find it under https://huggingface.co/{weights['hub']}/commits/main",
                )

    # --- what the schema cannot check

    def _check(self) -> None:
        self._check_headline()
        self._check_tuning()
        for name in self.params["study"]["probes"]:
            self._check_test_sets(name)
            self._check_shortcuts(name)
        for reference in self.params["study"]["datasets"]:
            name, domain = registry.split_reference(reference)
            registry.check(name, self.params["datasets"], domain)
        for name in self.datasets():
            registry.check(name, self.params["datasets"], None)
        if self.mirror:
            registry.check_mirror(
                self.datasets(), self.params["datasets"], self.mirror, self.mirrored_weights()
            )
        else:
            for backbone in self.params["study"]["backbones"]:
                self._check_weights(backbone)
        for backbone in self.params["study"]["backbones"]:
            model = self.params["backbones"][backbone]["model"]
            families.family_of(model)
            for strategy in self.params["study"]["strategies"]:
                try:
                    strategies.check_applies(strategy, model, self.params["strategies"][strategy])
                except UserError as error:
                    raise UserError(
                        f"study.strategies: {strategy} on backbone {backbone}",
                        error.found,
                        error.expected,
                        error.do,
                    ) from None
        self._check_ramps()
        for name in self.params["study"]["probes"]:
            self._check_classes(name)
        self._check_norms()

    def _check_test_sets(self, probe: str) -> None:
        """The datasets that a shift names exist: a misspelt one would leave the probe out without a word."""
        for dataset, others in self.params["probes"][probe].get("test_sets", {}).items():
            for reference in (dataset, *others):
                name, domain = registry.split_reference(reference)
                try:
                    registry.check(name, self.params["datasets"], domain)
                except UserError as error:
                    raise UserError(
                        f"probes.{probe}.test_sets.{dataset}",
                        f"{error.found} {reference}",
                        error.expected,
                        error.do,
                    ) from None

    def _check_shortcuts(self, probe: str) -> None:
        """Shortcuts are only taken where they mean something."""
        spec = self.params["probes"][probe]
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

    def _check_classes(self, probe: str) -> None:
        """An attack's loss is defined for as many classes as the study's datasets have, where that is known."""
        spec = self.probe_spec(probe)
        if spec["kind"] != "attack":
            return
        for dataset in self.params["study"]["datasets"]:
            name = registry.split_reference(dataset)[0]
            classes = registry.classes(name, self.definition(name))
            if classes is None or classes >= ENOUGH_CLASSES:
                continue
            try:
                # This imports torch, which takes seconds: for few classes only.
                probes.load("attack").threat_of(spec).attempts(classes)
            except UserError as error:
                raise UserError(
                    f"probes.{probe} on dataset {dataset}", error.found, error.expected, error.do
                ) from None

    def mirrored_weights(self) -> list[str]:
        """Names that a mirror has for the weights of the study's backbones."""
        weights = (self.params["backbones"][name]["weights"] for name in self.params["study"]["backbones"])
        return [registry.mirrored_weights(each) for each in weights if "pretrain" not in each]

    def _check_weights(self, backbone: str) -> None:
        """Without a mirror, a file of weights is where it is looked for."""
        file = self.params["backbones"][backbone]["weights"].get("file")
        if file is not None and not Path(file).is_file():
            raise UserError(
                f"backbones.{backbone}.weights.file",
                f"no file at {file}",
                "the weights there",
                "or name a mirror (data.mirror, TRADEOFF_MIRROR) that holds them",
            )

    def _check_ramps(self) -> None:
        """No ramp of the perturbation size ends before it starts."""
        for run in self.runs.values():
            times, epochs = run.spec["objective_spec"]["params"], run.spec["training"]["epochs"]
            if "t1" in times and in_epochs(times["t1"], epochs) > in_epochs(times["t2"], epochs):
                raise UserError(
                    f"objectives.{run.objective_family}.t2",
                    f"{times['t2']}, with t1 = {times['t1']} and {epochs} epochs",
                    "no earlier than t1 (both count epochs above 1, and are shares of all epochs up to 1)",
                )

    def _check_norms(self) -> None:
        """Models are judged at the ε_g of their objective, which is only the same size in the same norm."""
        judged = self._judged_in()
        for run in self.runs.values():
            params = run.spec["objective_spec"]["params"]
            trained = params.get("norm", "linf")
            for where, norm in judged.items():
                if "epsilon" in params and norm != trained:
                    raise UserError(
                        where, norm, f"{trained}, the norm that objectives.{run.objective_family} trains with"
                    )

    def _judged_in(self) -> dict[str, str]:
        """Norms of the attacks that robust objectives are judged by, by where params state them."""
        params = self.params
        attacks = [name for name in params["study"]["probes"] if params["probes"][name]["kind"] == "attack"]
        headline = params["tradeoff"]["headline"]
        name = headline["probe"] if headline else next(iter(attacks), None)
        judged = {f"probes.{name}.norm": params["probes"][name].get("norm", "linf")} if name else {}
        if params["robust_validation"]:
            judged["robust_validation.norm"] = params["robust_validation"]["norm"]
        return judged

    def _check_headline(self) -> None:
        headline = self.params["tradeoff"]["headline"]
        if headline is None:
            return
        name, epsilon = headline["probe"], parse_epsilon(headline["epsilon"])
        chosen = self.params["study"]["probes"]
        if name not in chosen:
            raise UserError(
                "tradeoff.headline.probe", repr(name), f"one of study.probes: {', '.join(chosen)}"
            )
        epsilons = self.params["probes"][name].get("epsilons", [])
        if epsilon not in map(parse_epsilon, epsilons):
            raise UserError(
                "tradeoff.headline.epsilon",
                str(headline["epsilon"]),
                f"one of the epsilons of probe {name}: {', '.join(map(str, epsilons)) or 'none'}",
            )

    def summary(self) -> dict[str, Any]:
        """The study as data, for results/<study>/study.json: params, runs and the digests they must have."""
        return {
            "study": {"name": self.name, "title": self.params["study"]["title"]},
            "params": self.params,
            "runs": [
                {
                    "run": run.name,
                    "dataset": run.dataset,
                    "backbone": run.backbone,
                    "strategy": run.strategy,
                    "family": run.family,
                    "variant": run.variant,
                    "objective": run.objective,
                    "objective_family": run.objective_family,
                    "objective_epsilon": run.objective_epsilon,
                    "seed": run.seed,
                    "epochs": run.spec["training"]["epochs"],
                    "digest": run.digest,
                    "data": self.packed(run.dataset, run.backbone),
                    "probes": {name: self.probe_digest(run, name) for name in self.probes_of(run)},
                }
                for run in self.runs.values()
            ],
        }


@dataclass(frozen=True)
class Variant:
    """One point of a strategy's or an objective's sweep: its name in paths, its label in figures, its parameters."""

    family: str
    name: str
    label: str
    params: dict[str, Any]
    training: dict[str, Any]


def variants(family: str, section: dict[str, Any]) -> Iterator[Variant]:
    """Yield a strategy's or an objective's variants: one for every combination of the lists in its `sweep`.

    Without a sweep there is one, named as the family.
    """
    sweep = section.get("sweep", {})
    own = {key: value for key, value in section.items() if key not in ("sweep", "training")}
    for values in itertools.product(*sweep.values()):
        point = dict(zip(sweep, values, strict=True))
        name = "-".join([family, *(f"{key}{_in_path(value)}" for key, value in point.items())])
        label = ", ".join(f"{key.replace('_', ' ')} {_in_words(value)}" for key, value in point.items())
        yield Variant(family, name, label, own | point, section.get("training", {}))


def _in_path(value: Any) -> str:
    return "_".join(map(str, value)) if isinstance(value, list) else str(value).replace("/", "_")


def _in_words(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)
