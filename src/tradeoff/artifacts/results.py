"""What artifacts are made from: a study's tables, read once each and only when asked for."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from tradeoff.analysis.methods import methods
from tradeoff.analysis.metrics import panel_names
from tradeoff.analysis.points import PANEL
from tradeoff.analysis.study_file import StudyFile, Threat, headline, read_study
from tradeoff.artifacts.looks import method_look
from tradeoff.errors import UserError
from tradeoff.files import read_json
from tradeoff.params.epsilon import format_epsilon


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
    """A study's tables, below results/<study>."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    @cached_property
    def study(self) -> StudyFile:
        return read_study(self.root / "study.json")

    @cached_property
    def panels(self) -> list[Panel]:
        """Every panel, in the study's order."""
        named = panel_names(self.study, self._objective_labels)
        return [Panel(**dict(zip(PANEL, keys, strict=True)), name=name) for keys, name in named.items()]

    @cached_property
    def _objective_labels(self) -> dict[str, str]:
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
    def probes(self) -> pd.DataFrame:
        return self._parquet("probes")

    @cached_property
    def training(self) -> pd.DataFrame:
        return self._parquet("training")

    @cached_property
    def runs(self) -> pd.DataFrame:
        return self._csv("runs")

    @cached_property
    def flags(self) -> pd.DataFrame:
        """What the probes found suspicious: run, probe and flag, in words."""
        return pd.DataFrame(read_json(self.root / "tables" / "flags.json"), columns=["run", "probe", "flag"])

    @cached_property
    def areas(self) -> pd.DataFrame:
        return self._csv("pareto_auc")

    @cached_property
    def frontiers(self) -> pd.DataFrame:
        return self._csv("frontiers")

    @cached_property
    def variants(self) -> pd.DataFrame:
        """Areas of the variants of swept families."""
        return self._csv("variants")

    def _parquet(self, name: str) -> pd.DataFrame:
        path = self.root / "tables" / f"{name}.parquet"
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None

    def _csv(self, name: str) -> pd.DataFrame:
        path = self.root / "tables" / f"{name}.csv"
        try:
            return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"variant": str}).fillna(
                {"variant": ""}
            )
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(str(path), f"no readable table ({error})", "a whole table", "delete it and rerun")
