"""Every job of a study with what it will cost: counted from params, before anything runs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tradeoff import corruptions, status
from tradeoff.artifacts import FIGURES, TABLES, available
from tradeoff.plan import attacks, objectives
from tradeoff.plan.calibration import Calibration, Work
from tradeoff.plan.images import Images, packed_bytes
from tradeoff.plan.sizes import Size, Sizes
from tradeoff.schedules import kept_steps, probe_steps, total_steps
from tradeoff.study import Run, Study

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    rule: its rule; name: what it makes, such as a run's name; tags: what it belongs to (dataset, strategy, ...).
    work: what the model has to do, as expected; most: the same if no attack fooled any sample.
    snapshots: how many it writes; image_attacks: test images x snapshots x perturbation sizes.
    disk: bytes of its results; scratch: bytes that it needs besides while it runs.
    megabytes: of encoded images that it reads; start: which of a device's constant times it takes,
    shared if it runs in the process of another. processes: that share its work, with a device each.
    assumed: its images are not counted yet.
    done: its results are there, made with today's settings.
    """

    rule: str
    name: str
    tags: dict[str, str] = field(default_factory=dict)
    work: tuple[Work, ...] = ()
    most: tuple[Work, ...] = ()
    snapshots: int = 0
    image_attacks: int = 0
    disk: int = 0
    scratch: int = 0
    megabytes: float = 0.0
    start: str = "job"
    processes: int = 1
    assumed: bool = False
    done: bool = False

    @property
    def flops(self) -> float:
        """Floating-point operations as expected."""
        return sum(work.images * work.flops for work in self.work)

    def seconds(self, device: Calibration, *, most: bool = False) -> float:
        """Seconds by the clock, expected or at most.

        ASSUME: processes that share a batch lose no time over it.
        """
        starts = {"job": device.job, "artifact": device.artifact, "figure": device.figure, "shared": 0.0}
        start = starts[self.start]
        work = sum(device.seconds(each) for each in (self.most if most else self.work))
        return start + work / self.processes + self.megabytes * device.megabyte

    def device_seconds(self, device: Calibration, *, most: bool = False) -> float:
        """Seconds of all its devices together, expected or at most."""
        return self.processes * self.seconds(device, most=most)


class Jobs:
    """The jobs of a study. sizes: models' and attacks'; with `ignore_done` nothing counts as done."""

    def __init__(self, study: Study, sizes: Sizes, *, ignore_done: bool = False) -> None:
        self.study, self.sizes, self.ignore_done = study, sizes, ignore_done
        self.images = Images(study)
        self.batches = study.probe_batches()
        found = [] if ignore_done else status.jobs(study)
        self.done = {(job.rule, job.name) for job in found if job.state == "done"}

    def all(self) -> Iterator[Job]:
        """Yield every job in the order of the workflow."""
        yield from self._data()
        yield from self._backbones()
        for run in self.study.runs.values():
            yield from self.of_run(run)
        yield from self._tasks()
        yield from self._artifacts()

    # --- data and backbones

    def _data(self) -> Iterator[Job]:
        study = self.study
        for name in study.datasets():
            counts = self.images.of(name)
            raw = Path("data/raw") / name
            megabytes = counts.bytes / 1e6
            yield Job(
                "fetch_dataset",
                name,
                {"dataset": name},
                start="artifact",
                megabytes=megabytes,
                disk=counts.bytes,
                assumed=not counts.known,
                done=self._there(raw / "source.json"),
            )
            folders = {
                study.packed(name, backbone): backbone for backbone in study.params["study"]["backbones"]
            }
            for folder, backbone in folders.items():
                yield Job(
                    "pack_dataset",
                    Path(folder).name,
                    {"dataset": name},
                    megabytes=megabytes,
                    disk=packed_bytes(study, name, backbone, counts),
                    start="artifact",
                    done=self._there(Path(folder) / "manifest.json"),
                )

    def _backbones(self) -> Iterator[Job]:
        for name in self.study.params["study"]["backbones"]:
            spec = self.study.params["backbones"][name]
            size = self.sizes.model(spec, {"name": "full", "params": {}})
            done = self._there(Path(self.study.root) / "backbones" / name / "backbone.json")
            rule = "fetch_backbone"
            work: tuple[Work, ...] = ()
            if name in self.study.pretrained():
                rule, work = "pretrain_backbone", tuple(self._pretraining(name, size))
            yield Job(rule, name, {"backbone": name}, work, work, disk=size.weights, done=done)

    def _pretraining(self, backbone: str, size: Size) -> list[Work]:
        spec = self.study.pretraining_spec(backbone)
        recipe, data = spec["training"], spec["data"]
        counts = self.images.of(spec["dataset"])
        used = {split: counts.used(split, data["validation_share"], None) for split in SPLITS}
        epochs = recipe["epochs"]
        model, precision = spec["backbone_spec"]["model"], recipe["precision"]
        return [
            Work("train", model, "full", precision, size.train, used["train"] * epochs),
            Work("forward", model, "", precision, size.forward, used["validation"] * epochs + used["test"]),
        ]

    # --- runs and their probes

    def of_run(self, run: Run) -> Iterator[Job]:
        """Yield the fine-tuning of a run, and its probes."""
        spec = run.spec
        counts = self.images.of(run.dataset)
        share, limit = spec["data"]["validation_share"], self.study.params["data"]["limit"]
        used = {split: counts.used(split, share, limit[split]) for split in SPLITS}
        size = self.sizes.model(spec["backbone_spec"], spec["strategy_spec"])
        recipe = spec["training"]
        total = total_steps(recipe["epochs"], max(1, used["train"]), recipe["batch_size"])
        steps = kept_steps(probe_steps(spec["probe_schedule"], total), spec["snapshots"])
        snapshot = size.snapshot(counts.classes)
        tags = {
            key: str(getattr(run, key)) for key in ("dataset", "backbone", "strategy", "objective", "seed")
        }
        work = tuple(self._training(run, used, size))
        yield Job(
            "fine_tune",
            run.name,
            tags,
            work,
            work,
            snapshots=len(steps),
            disk=len(steps) * snapshot,
            # Parts are joined at the end; the optimizer keeps two numbers for each weight.
            scratch=len(steps) * snapshot + 3 * snapshot,
            processes=spec["compute"]["processes"],
            done=self._is_done("fine_tune", run.name),
        )
        for probe in self.study.probes_of(run):
            yield self._probe(run, probe, (steps, total), size, tags)

    def _training(self, run: Run, used: dict[str, int], size: Size) -> Iterator[Work]:
        spec, recipe = run.spec, run.spec["training"]
        epochs, objective = recipe["epochs"], spec["objective_spec"]
        passed = used["train"] * epochs

        def work(kind: str, flops: float, images: float) -> Work:
            return Work(kind, spec["backbone_spec"]["model"], run.family, recipe["precision"], flops, images)

        inner = objectives.inner_steps(objective["name"], objective["params"], epochs)
        if size.fixed_features and not inner and recipe["augmentation"] is None:
            yield work("forward", size.forward, used["train"])
            yield work("train", size.train, passed)
        else:
            # A head on features that change, attacked or augmented, costs a forward pass more than a head alone.
            train = max(size.train, size.forward) * objectives.PASSES.get(objective["name"], 1)
            yield work("train", train, passed)
        yield work("gradient", size.gradient, passed * inner)
        yield work("forward", size.forward, used["validation"] * math.ceil(epochs))
        if robust := spec.get("robust_validation"):
            images = min(used["validation"], robust["limit"]) * math.ceil(epochs / robust["every"])
            yield work("gradient", size.gradient, images * (robust["steps"] + 1))

    def _probe(
        self,
        run: Run,
        name: str,
        schedule: tuple[list[int], int],
        size: Size,
        tags: dict[str, str],
    ) -> Job:
        probe = self.study.probe_spec(name)
        steps, total = schedule
        limit = probe["limit"]
        share = run.spec["data"]["validation_share"]
        tested = [
            self.images.of(reference).used("test", share, limit)
            for reference in self.study.test_sets(run.dataset, name)
        ]
        classes = self.images.of(run.dataset).classes
        clean = len(steps) * sum(tested)
        precision = probe["compute"]["precision"]

        def work(kind: str, images: float) -> Work:
            flops = size.gradient if kind == "gradient" else size.forward
            return Work(kind, run.spec["backbone_spec"]["model"], run.family, precision, flops, images)

        scratch = 0
        if probe["kind"] == "corruption":
            versions = len(corruptions.chosen(probe)) * len(probe.get("severities", corruptions.SEVERITIES))
            # Made once for all snapshots, and kept while the probe runs.
            scratch = versions * sum(tested) * 3 * run.spec["backbone_spec"]["image_size"] ** 2
            clean *= 1 + versions
        expected, most, attacked = [work("forward", clean)], [work("forward", clean)], 0
        if probe["kind"] == "attack":
            attacked = clean * len(probe["epsilons"])
            for found, bound in ((expected, False), (most, True)):
                gradients, queries = attacks.evaluations(
                    self.sizes, probe, run, classes, tested[0], (steps, total), bound=bound
                )
                found += [work("gradient", gradients), work("forward", queries)]
        return Job(
            "probe",
            f"{run.name}/{name}",
            tags | {"probe": name},
            tuple(expected),
            tuple(most),
            image_attacks=attacked,
            disk=clean,  # a byte for each outcome
            scratch=scratch,
            start="shared" if self._joins(run, name) else "job",
            done=self._is_done("probe", f"{run.name}/{name}"),
        )

    def _joins(self, run: Run, probe: str) -> bool:
        """Whether a probe shares the process of one before it."""
        return any(probe in names[1:] and run.dataset in datasets for names, datasets in self.batches)

    # --- tasks

    def _tasks(self) -> Iterator[Job]:
        for name, spec in self.study.tasks.items():
            size = self.sizes.model(spec["backbone_spec"], {"name": "full", "params": {}})
            images = 0
            for reference in self.study.task_data(name):
                counts = self.images.of(reference)
                asked = max(spec["images"], 2 * counts.classes)
                images += counts.used("train", spec["split"]["validation_share"], asked)
            work = (Work("forward", spec["backbone_spec"]["model"], "", "fp32", size.forward, images),)
            tags = {"dataset": spec["dataset"], "backbone": spec["backbone"]}
            yield Job("measure_task", name, tags, work, work, done=self._is_done("measure_task", name))

    # --- artifacts

    def _artifacts(self) -> Iterator[Job]:
        summary = self.study.summary()
        root = Path(self.study.root)
        yield Job(
            "gather", "probes.parquet", start="artifact", done=self._there(root / "tables/probes.parquet")
        )
        if self.study.tasks:
            yield Job(
                "gather_tasks", "tasks.csv", start="artifact", done=self._there(root / "tables/tasks.csv")
            )
        figures = available(summary, FIGURES)
        if "frontiers" in figures:
            made = {"pareto_auc": "tables/pareto_auc.csv", "write_metrics": "metrics.json"}
            for rule, file in (made | {"write_numbers": "numbers.tex"}).items():
                yield Job(rule, file, start="artifact", done=self._there(root / file))
        for name in figures:
            yield Job("figures", name, start="figure", done=self._there(root / "figures" / f"{name}.png"))
        for name in available(summary, TABLES):
            yield Job("tables", name, start="artifact", done=self._there(root / "tables" / f"{name}.md"))
        for rule, file, start in (
            ("write_provenance", "provenance.json", "artifact"),
            ("write_explorer", "explorer.html", "figure"),
        ):
            yield Job(rule, file, start=start, done=self._there(root / file))

    # --- what is done

    def _there(self, file: Path) -> bool:
        return file.is_file() and not self.ignore_done

    def _is_done(self, rule: str, name: str) -> bool:
        return (rule, name) in self.done
