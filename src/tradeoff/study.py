"""A study, resolved: every run with all of its settings, and every probe of it.

Everything the workflow decides comes from here, so it is pure and fast: no torch (but to check attacks
on fewer than four classes), no files but params.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tradeoff import study_checks
from tradeoff.backbone_code import backbone_code
from tradeoff.data import registry
from tradeoff.data.code import fetch_code, pack_code
from tradeoff.errors import UserError
from tradeoff.files import digest_of
from tradeoff.params.epsilon import parse_epsilon
from tradeoff.params.load import Params
from tradeoff.probe_code import probe_code
from tradeoff.run_code import run_code
from tradeoff.task_code import task_code
from tradeoff.variants import Variant, variants

# What of `compute` is part of every result.
OF_A_JOB = ("threads", "deterministic")
# Below so many datasets nothing can be said of how the trade-off moves with the task.
FEWEST_TASKS = 3


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
        study_checks.check(self)

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
        return {run.name: run for run in runs if not self._left_out(run)}

    def _left_out(self, run: Run) -> bool:
        known: dict[str, set[Any]] = {
            "dataset": {run.dataset},
            "backbone": {run.backbone},
            "strategy": {run.strategy, run.family},
            "objective": {run.objective, run.objective_family},
            "seed": {run.seed},
        }
        return any(
            all(known[part] & set(values) for part, values in entry.items())
            for entry in self.params["study"]["leave_out"]
        )

    def _run(self, dataset: str, backbone: str, variant: Variant, objective: Variant, seed: int) -> Run:
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
            "compute": self._compute(*OF_A_JOB, "processes"),
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

    def _compute(self, *keys: str) -> dict[str, Any]:
        """What of `compute` belongs to a result's identity: not the device, which may differ from job to job."""
        return {key: self.params["compute"][key] for key in keys}

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
            if chosen not in ("each", run.objective) or "learning_rate" in untuned._recipe(own):
                continue
            training = run.spec["training"]
            if settings["epochs"] is not None:
                training = training | {"epochs": settings["epochs"]}
            cells[own if chosen == "each" else cell] = {
                "run": run.spec
                # A search takes one process, so their number is none of its settings.
                | {"training": training, "seed": settings["seed"], "compute": self._compute(*OF_A_JOB)},
                "search": search,
                **{key: settings[key] for key in ("trials", "reduction_factor", "seed")},
            }
        return cells

    # --- probes

    def probes_of(self, run: Run) -> list[str]:
        """Names of the probes that apply to a run: a shift needs somewhere to shift to."""
        return [name for name in self.params["study"]["probes"] if self.test_sets(run.dataset, name)]

    def probe_batches(self) -> list[tuple[list[str], list[str]]]:
        """Probes that share a job, each time with the datasets whose runs have just these; none by default."""
        size, chosen = self.params["compute"]["probes_per_job"], self.params["study"]["probes"]
        batches: dict[tuple[str, ...], list[str]] = {}
        for start in range(0, len(chosen) if size > 1 else 0, size):
            for dataset in self.params["study"]["datasets"]:
                names = [name for name in chosen[start : start + size] if self.test_sets(dataset, name)]
                batches.setdefault(tuple(names), []).append(dataset)
        return [(list(names), datasets) for names, datasets in batches.items() if names]

    def probe_spec(self, name: str) -> dict[str, Any]:
        """The settings of a probe with its epsilons as numbers, and those of `compute` it depends on."""
        spec = dict(self.params["probes"][name])
        spec.pop("test_sets", None)  # those of a run come with the job, see `test_sets`
        if "epsilons" in spec:
            spec["epsilons"] = [parse_epsilon(epsilon) for epsilon in spec["epsilons"]]
        spec["name"] = name
        spec["limit"] = self.params["data"]["limit"]["test"]
        spec["compute"] = {
            **self._compute(*OF_A_JOB, "precision", "channels_last", "compile"),
            "batch_size": self.params["compute"]["probe_batch"],
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

    # --- tasks

    @cached_property
    def tasks(self) -> dict[str, dict[str, Any]]:
        """Settings of what is measured of each dataset before fine-tuning, by dataset/backbone.

        Only of studies that set it against the trade-off: with an attack, and on several datasets.
        """
        chosen = self.params["study"]
        attacked = any(self.params["probes"][name]["kind"] == "attack" for name in chosen["probes"])
        if not attacked or len(chosen["datasets"]) < FEWEST_TASKS:
            return {}
        cells = dict.fromkeys((run.dataset, run.backbone) for run in self.runs.values())
        return {f"{dataset}/{backbone}": self._task(dataset, backbone) for dataset, backbone in cells}

    def _task(self, dataset: str, backbone: str) -> dict[str, Any]:
        data, upstream = self.params["data"], self.upstream().get(backbone)
        return {
            "dataset": dataset,
            "definition": self.definition(registry.split_reference(dataset)[0]),
            "backbone": backbone,
            "backbone_spec": self.params["backbones"][backbone],
            "pretraining": self.pretraining_spec(backbone) if backbone in self.pretrained() else None,
            "upstream": upstream,
            "upstream_definition": self.definition(registry.split_reference(upstream)[0]) if upstream else {},
            "images": self.params["tasks"]["images"],
            "split": {"validation_share": data["validation_share"], "split_seed": data["split_seed"]},
            "compute": self._compute(*OF_A_JOB),
        }

    def upstream(self) -> dict[str, str]:
        """The upstream dataset of each backbone for which it is known: pre-trained here, or stated in params."""
        stated: dict[str, str] = self.params["tasks"]["upstream"]
        return stated | self.pretrained()

    def task_data(self, task: str) -> dict[str, str]:
        """The packed folders that a task's measurement reads, by dataset reference."""
        spec = self.tasks[task]
        references = [spec["dataset"], *([spec["upstream"]] if spec["upstream"] else [])]
        return {reference: self.packed(reference, spec["backbone"]) for reference in references}

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
            "compute": self._compute(*OF_A_JOB),
        }

    def _backbone_specs(self) -> dict[str, dict[str, Any]]:
        """What each backbone is made from: the settings of its pre-training, or its section of params."""
        return {
            name: self.pretraining_spec(name) if name in self.pretrained() else self.params["backbones"][name]
            for name in self.params["study"]["backbones"]
        }

    def datasets(self) -> list[str]:
        """Names of all datasets that the study needs, upstream and shifted ones included."""
        references = [
            *self.params["study"]["datasets"],
            *self.pretrained().values(),
            *(spec["upstream"] for spec in self.tasks.values() if spec["upstream"]),
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
        hubs = {
            f"backbones.{name}.weights.revision": weights["hub"]
            for name in self.params["study"]["backbones"]
            if "hub" in (weights := self.params["backbones"][name]["weights"]) and weights["revision"] is None
        }
        if hubs:
            file = "params.yaml" if self.name == "quickstart" else f"studies/{self.name}.yaml"
            raise UserError(
                ", ".join(hubs),
                "none",
                f"for each the commit to download of {', '.join(hubs.values())}, 40 hexadecimal digits",
                f"state it in {file}; https://huggingface.co/<repository>/commits/main lists them",
            )

    def mirrored_weights(self) -> list[str]:
        """Names that a mirror has for the weights of the study's backbones."""
        weights = (self.params["backbones"][name]["weights"] for name in self.params["study"]["backbones"])
        return [registry.mirrored_weights(each) for each in weights if "pretrain" not in each]

    def summary(self) -> dict[str, Any]:
        """The study as data, for results/<study>/study.json: params, and what results must say of their making.

        That is digests and fingerprints of code: of datasets, backbones, runs, probes and tasks. titles: of datasets,
        for readers.
        """
        return {
            "study": {"name": self.name, "title": self.params["study"]["title"]},
            "datasets": {
                name: {
                    "definition_digest": digest_of(self.definition(name)),
                    "code": fetch_code(name),
                    "packing_code": pack_code(),
                }
                for name in self.datasets()
            },
            "titles": {name: registry.source(name, self.definition(name)).title for name in self.datasets()},
            "backbones": {
                name: {"digest": digest_of(spec), "code": backbone_code(name in self.pretrained())}
                for name, spec in self._backbone_specs().items()
            },
            "params": self.params | {"compute": self._compute(*(self.params["compute"].keys() - {"device"}))},
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
                    "code": run_code(run.spec),
                    "probe_code": {
                        name: probe_code(run.spec, self.params["probes"][name])
                        for name in self.probes_of(run)
                    },
                }
                for run in self.runs.values()
            ],
            "tasks": [
                {
                    "task": name,
                    "dataset": spec["dataset"],
                    "backbone": spec["backbone"],
                    "digest": digest_of(spec),
                    "data": self.packed(spec["dataset"], spec["backbone"]),
                    "code": task_code(),
                }
                for name, spec in self.tasks.items()
            ],
        }
