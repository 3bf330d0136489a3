"""What artifacts are made from: a study's tables, read once each and only when asked for."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from tradeoff.analysis.methods import methods
from tradeoff.analysis.metrics import panel_names
from tradeoff.analysis.points import PANEL
from tradeoff.analysis.study_file import (
    StudyFile,
    Threat,
    dataset_label,
    headline,
    probe_label,
    probes_of_kind,
    read_study,
    threat_label,
)
from tradeoff.artifacts.looks import method_look
from tradeoff.params.epsilon import format_epsilon
from tradeoff.seals import read_checked, recorded_sum


@dataclass(frozen=True)
class Panel:
    """One dataset, backbone and objective of a study: what strategies are compared within.

    name: as short as tells it from the study's others.
    """

    dataset: str
    backbone: str
    objective: str
    name: str

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that belong to this panel."""
        return table[(table[PANEL] == [self.dataset, self.backbone, self.objective]).all(axis=1)]


class Results:
    """A study's tables, below results/<study>.

    only: a dataset, or a dataset and a backbone, where not the whole study is asked for.
    """

    def __init__(self, root: str | Path, only: Mapping[str, str] | None = None) -> None:
        self.root = Path(root)
        self.only = dict(only or {})

    @cached_property
    def study(self) -> StudyFile:
        study = read_study(self.root / "study.json")
        runs = [run for run in study["runs"] if all(run[key] == value for key, value in self.only.items())]
        return study | {"runs": runs}

    def parts(self, keys: Sequence[str]) -> list["Results"]:
        """Return the results of each dataset, say, for itself; without keys all in one."""
        values = dict.fromkeys(tuple(run[key] for key in keys) for run in self.study["runs"])
        return [Results(self.root, dict(zip(keys, value, strict=True))) for value in values]

    @cached_property
    def panels(self) -> list[Panel]:
        """Every panel, in the study's order."""
        labels = {"dataset": self.dataset_labels, "objective": self.objective_labels}
        named = panel_names(self.study, labels)
        return [Panel(**dict(zip(PANEL, keys, strict=True)), name=name) for keys, name in named.items()]

    @property
    def panel_title(self) -> str:
        """What the panels' names tell, as the title of a column: the dataset, and what else varies."""
        varied = [key for key in PANEL if len({getattr(panel, key) for panel in self.panels}) > 1]
        return ", ".join(dict.fromkeys(["dataset", *varied])).capitalize()

    @cached_property
    def dataset_labels(self) -> dict[str, str]:
        """How readers know each dataset that runs fine-tune on."""
        names = dict.fromkeys(run["dataset"] for run in self.study["runs"])
        return {name: dataset_label(self.study, name) for name in names}

    @cached_property
    def objective_labels(self) -> dict[str, str]:
        """How readers know each objective: its method and its ε_g."""
        labels = {}
        sizes = {run["objective"]: run["objective_epsilon"] for run in self.study["runs"]}
        for objective, method in methods(self.study).items():
            size = sizes[objective]
            labels[objective] = method_look(method.name).label + (f" {format_epsilon(size)}" if size else "")
        return labels

    @cached_property
    def families(self) -> list[str]:
        """Every family of strategies, in the study's order."""
        return list(dict.fromkeys(run["family"] for run in self.study["runs"]))

    @cached_property
    def threat(self) -> Threat:
        """The threat to show where there is room for one."""
        return headline(self.study)

    @cached_property
    def attack_labels(self) -> dict[str, str]:
        """How readers know each attack probe, at any ε: `PGD-10, ℓ∞`."""
        return {probe: probe_label(self.study, probe) for probe in probes_of_kind(self.study, "attack")}

    @property
    def threat_label(self) -> str:
        """How readers know that threat: `PGD-10, ℓ∞, ε = 2/255`."""
        return threat_label(self.study, self.threat)

    @property
    def attack_label(self) -> str:
        """How readers know its attack."""
        return self.attack_labels[self.threat.probe]

    @cached_property
    def probes(self) -> pd.DataFrame:
        return self._parquet("probes")

    @cached_property
    def training(self) -> pd.DataFrame:
        return self._parquet("training")

    @cached_property
    def runs(self) -> pd.DataFrame:
        return self._csv("runs", "gather")

    @cached_property
    def flags(self) -> pd.DataFrame:
        """What the probes found suspicious: run, probe and flag, in words."""
        flags = json.loads(self._content("flags.json", "gather"))
        return pd.DataFrame(flags, columns=["run", "probe", "flag"])

    @cached_property
    def areas(self) -> pd.DataFrame:
        return self._csv("pareto_auc", "pareto_auc")

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Differences between the areas of each pair of strategies."""
        return self._csv("auc_differences", "pareto_auc")

    @cached_property
    def frontiers(self) -> pd.DataFrame:
        return self._csv("frontiers", "pareto_auc")

    @cached_property
    def variants(self) -> pd.DataFrame:
        """Areas of the variants of swept families."""
        return self._csv("variants", "pareto_auc")

    @cached_property
    def courses(self) -> pd.DataFrame:
        """How robustness rose and fell."""
        return self._csv("courses", "pareto_auc")

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """How hard each dataset is for each backbone before fine-tuning."""
        return self._csv("tasks", "tasks")

    def _parquet(self, name: str) -> pd.DataFrame:
        return self._wanted(pd.read_parquet(io.BytesIO(self._content(f"{name}.parquet", "gather"))))

    def _csv(self, name: str, rule: str) -> pd.DataFrame:
        content = io.BytesIO(self._content(f"{name}.csv", rule))
        table = pd.read_csv(content, keep_default_na=False, na_values=[""], dtype={"variant": str})
        return self._wanted(table.fillna({"variant": ""}))

    def _wanted(self, table: pd.DataFrame) -> pd.DataFrame:
        for key, value in self.only.items():
            table = table[table[key] == value]
        return table

    def _content(self, name: str, rule: str) -> bytes:
        """The bytes of a table; UserError unless they are those that the rule which made it recorded."""
        folder = self.root / "tables"
        return read_checked(folder / name, recorded_sum(folder / name, folder / f"{rule}.record.json"))
