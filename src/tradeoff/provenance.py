"""Provenance: from each figure and table back to the data, by hashes, with the command that makes each again.

A *product* is what one job made; it is called by the path of its record. Products are a graph: figures and tables
<- gathered tables <- probes <- runs <- backbones <- packed data <- fetched data.
"""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tradeoff.analysis.study_file import read_study
from tradeoff.data.packed import content_digest, packed_alike
from tradeoff.data.registry import split_reference
from tradeoff.errors import UserError
from tradeoff.files import digest_of, sha256_of, whole_file
from tradeoff.provenance_page import page
from tradeoff.seals import DIGITS, check, read_sealed, recorded, recorded_sum, sums, write_sealed

Product = dict[str, Any]


def write_provenance(results: Path, artifacts: Iterable[Path]) -> None:
    """Write provenance.json and its page, provenance.md, into results/<study>; arguments as of `provenance`."""
    content = provenance(results, artifacts)
    with whole_file(results / "provenance.md") as temporary:
        temporary.write_text(page(content), encoding="utf-8")
    write_sealed(results / "provenance.json", content | {"sha256": sums(results, ["provenance.md"])})


def provenance(results: Path, artifacts: Iterable[Path]) -> dict[str, Any]:
    """Return {study, products}: every product of a study, by the path of its record, sources before what uses them.

    results: results/<study>; artifacts: records of its figures and tables, below it. Paths are relative to the
    current folder. A product has kind, record_sha256, files (path -> sha256), from (names of products), command, and
    where they apply seed, params, code, versions, hardware, source.
    Figures and tables are hashed; of what is larger, the recorded sums are taken (`make verify` compares them).
    UserError when a file is damaged, or made from something else than what is there now.
    """
    study = read_study(results / "study.json")
    chain = _Chain(study["study"]["name"], results)
    chain.add("study", results / "study.json", [], params=digest_of(study["params"]))
    for run in study["runs"]:
        chain.add_run(run)
    for task in study["tasks"]:
        chain.add_task(task)
    for record in artifacts:
        chain.add_artifact(record)
    return {
        "study": {**study["study"], "params": digest_of(study["params"])},
        "products": chain.products,
    }


class _Chain:
    """The products so far; each is added after what it was made from."""

    def __init__(self, name: str, results: Path) -> None:
        self.results = results
        self.configfile = "" if name == "quickstart" else f"--configfile studies/{name}.yaml "
        self.products: dict[str, Product] = {}
        self.made_by: dict[str, str] = {}  # file -> record
        self.sums: dict[str, str] = {}

    def add(self, kind: str, record: Path, sources: list[Path], **about: Any) -> Path:
        """Add a product, once; return its record."""
        if str(record) not in self.products:
            files = {str(path): sha256 for path, sha256 in recorded(record).items()}
            self.sums |= files | {str(record): sha256_of(record)}
            self.made_by |= dict.fromkeys([*files, str(record)], str(record))
            self.products[str(record)] = {
                "kind": kind,
                "record_sha256": self.sums[str(record)],
                "files": files,
                "from": [str(source) for source in sources],
                "command": f"snakemake {self.configfile}--force {shlex.quote(str(record))}",
                **about,
            }
        return record

    def add_run(self, run: dict[str, Any]) -> None:
        """Add a run and its probes, with the data and the backbone that they were made from."""
        folder = self.results / "runs" / run["run"]
        about = read_sealed(folder / "run.json")
        data = Path(run["data"])
        backbone = self._add_backbone(run["backbone"], data)
        weights = recorded_sum(backbone.with_name("weights.safetensors"), backbone)
        _compare(folder / "run.json", about["weights_sha256"], weights, backbone)
        sources = [backbone, *self._add_data(data, about["data_digest"], folder / "run.json")]
        record = self.add(
            "run",
            folder / "run.json",
            sources,
            seed=run["seed"],
            params=about["spec"],
            hardware=read_sealed(folder / "cost.json")["hardware"],
            **_made_with(about),
        )
        for probe in run["probes"]:
            self._add_probe(run, probe, record, backbone)

    def _add_probe(self, run: dict[str, Any], probe: str, of: Path, backbone: Path) -> None:
        folder = self.results / "probes" / run["run"]
        path = folder / f"{probe}.record.json"
        about = read_sealed(path)
        _compare(path, about["snapshots_sha256"], read_sealed(of)["sha256"]["snapshots.safetensors"], of)
        sources = [of, backbone]
        for reference, digest in about["data_digests"].items():
            name, _ = split_reference(reference)
            sources += self._add_data(packed_alike(Path(run["data"]), name), digest, path)
        hardware = read_sealed(folder / f"{probe}.cost.json")["hardware"]
        digest = {"params": about["probe_digest"], "code": about["probe_code"]}
        self.add(
            "probe",
            path,
            list(dict.fromkeys(sources)),
            hardware=hardware,
            versions=about["versions"],
            **digest,
        )

    def add_task(self, task: dict[str, Any]) -> None:
        """Add the measurement of a task, with the backbone and the data that it was made from."""
        path = self.results / "tasks" / task["task"] / "task.json"
        about = read_sealed(path)
        backbone = self._add_backbone(task["backbone"], Path(task["data"]))
        weights = recorded_sum(backbone.with_name("weights.safetensors"), backbone)
        _compare(path, about["weights_sha256"], weights, backbone)
        sources = [backbone]
        for reference, digest in about["data_digests"].items():
            name, _ = split_reference(reference)
            sources += self._add_data(packed_alike(Path(task["data"]), name), digest, path)
        self.add("task", path, list(dict.fromkeys(sources)), params=about["spec"], **_made_with(about))

    def _add_backbone(self, name: str, data: Path) -> Path:
        record = self.results / "backbones" / name / "backbone.json"
        if str(record) in self.products:
            return record
        about = read_sealed(record)
        if "dataset" not in about:  # fetched
            source = {key: about[key] for key in ("source", "revision", "source_sha256") if key in about}
            return self.add("backbone", record, [], params=about["spec"], source=source, **_made_with(about))
        upstream = packed_alike(data, split_reference(about["dataset"])[0])
        sources = self._add_data(upstream, about["data_digest"], record)
        seed = about["spec"]["seed"]
        return self.add("backbone", record, sources, seed=seed, params=about["spec"], **_made_with(about))

    def _add_data(self, packed: Path, digest: str, user: Path) -> list[Path]:
        """Add packed data and what they were packed from; nothing where they are not on this machine."""
        manifest = packed / "manifest.json"
        if not manifest.exists():
            return []
        about = read_sealed(manifest)
        _compare(user, digest, content_digest(about), manifest)
        origin = about["source"]
        raw = Path("data/raw") / str(origin["dataset"]) / "source.json"
        sources = []
        if raw.exists():
            sources = [self.add("fetched data", raw, [], source=origin, **_made_with(origin))]
            for name, sha256 in origin["sha256"].items():
                _compare(manifest, sha256, self.sums[str(raw.with_name(name))], raw)
        params = {key: about[key] for key in ("size", "resize", "interpolation")}
        return [self.add("packed data", manifest, sources, params=params, **_made_with(about))]

    def add_artifact(self, record: Path) -> None:
        """Add a figure or a table, after comparing its files, and what it was made from, with what is there."""
        about = read_sealed(record)
        for path, sha256 in recorded(record).items():
            check(path, sha256)
        sources = []
        for name, sha256 in about["from"].items():
            path = os.path.normpath(record.parent / name)
            if path not in self.sums:
                raise UserError(str(record), f"made from {path}", "a file of this study", _again(record))
            _compare(record, sha256, self.sums[path], Path(path))
            sources.append(Path(self.made_by[path]))
        kind = "figure" if record.parent.name == "figures" else "table"
        made = {key: about[key] for key in ("params", "code", "versions")}
        self.add(kind, record, list(dict.fromkeys(sources)), **made)


def _made_with(about: dict[str, Any]) -> dict[str, Any]:
    return {key: about[key] for key in ("code", "versions") if key in about}


def _compare(user: Path, found: str, expected: str, source: Path) -> None:
    """Refuse a product that was made from something else than its source is now."""
    if found != expected:
        raise UserError(
            str(user),
            f"made from {source} with the digest {found[:DIGITS]}",
            f"{expected[:DIGITS]}, which it has now",
            _again(user),
        )


def _again(record: Path) -> str:
    return f"delete {record} and run the same command again"
