"""The stages of DVC that version a study: what they depend on, and what they record.

A study has two, `runs` and `artifacts`; every dataset has one of its own, and another for each form it is packed in,
since studies share datasets. Inside a stage Snakemake decides what runs. All outputs persist: DVC must never delete
what Snakemake would then compute again. Each stage also versions Snakemake's records of its outputs
(`tradeoff.memory`), so that both tools agree on every clone and commit.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tradeoff.artifacts import FIGURES, available
from tradeoff.data.registry import split_reference
from tradeoff.params.load import tuned_file
from tradeoff.study import Study

Stage = dict[str, Any]

DATA_FILE = Path("data/dvc.yaml")
CODE = ["Snakefile", "rules", "src/tradeoff", "workflow_scripts", "uv.lock"]
DATA_CODE = [
    *("Snakefile", "rules/common.smk", "rules/data.smk"),
    *(
        f"src/tradeoff/{name}"
        for name in (
            "data",
            "errors.py",
            "files.py",
            "fingerprint.py",
            "identity.py",
            "locks.py",
            "progress.py",
            "script.py",
        )
    ),
    *(f"src/tradeoff/{name}" for name in ("seals.py", "splitmix.py", "termination.py")),
    *("workflow_scripts/fetch_dataset.py", "workflow_scripts/pack_dataset.py"),
    "uv.lock",
]
# Sections of params.yaml that the runs depend on, and what depends on nothing but finished probes.
RUN_PARAMS = [
    *(
        "study",
        "data",
        "datasets",
        "backbones",
        "pretraining",
        "training",
        "recipes",
        "tuned",
        "probe_schedule",
    ),
    *("snapshots", "strategies", "objectives", "robust_validation", "probes", "compute"),
]
ARTIFACT_PARAMS = [*RUN_PARAMS, "tasks", "tradeoff"]
PLOTS = {"robustness": "Robust accuracy under the headline threat", "accuracy": "Accuracy"}


def study_file(study: Study, overlays: Sequence[str]) -> Path:
    """Return where a study's stages belong: dvc.yaml for the default study, studies/<study>/dvc.yaml for others."""
    return Path("studies", study.name, "dvc.yaml") if overlays else Path("dvc.yaml")


def study_stages(study: Study, overlays: Sequence[str]) -> dict[str, Any]:
    """Return the content of a study's DVC file: its stages, and what `dvc plots` shows of it.

    overlays: the params files laid over params.yaml, relative to the project.
    """
    file = study_file(study, overlays)
    check = f"python -m workflow_scripts.track --check{{}} {' '.join(['params.yaml', *overlays])}"
    packed = sorted({study.packed(name, backbone) for name, backbone in _forms(study)})
    runs = [f"{study.root}/{part}" for part in ("backbones", "runs", "probes")]
    attacked = "frontiers" in available(study.summary(), FIGURES)
    outputs = ["study.json", "tables", "figures", "explorer.html", "explorer.record.json"]
    outputs += ["provenance.json", "provenance.md", *(["tasks"] if study.tasks else [])]
    outputs += (
        ["metrics.record.json", "numbers.record.json", "numbers.json", "numbers.tex"] if attacked else []
    )
    stages = {
        "runs": _stage(
            f"pretrained backbones, fine-tuning runs, and probes of their snapshots, of {study.name}",
            [check.format(""), _recorded(file, "runs", overlays, "probes"), check.format(" --runs")],
            [*CODE, *packed],
            [*RUN_PARAMS, *_whole(overlays)],
            [*runs, f"{study.root}/memory/runs.json"],
        ),
        "artifacts": _stage(
            f"frontiers, tables, figures and metrics of {study.name}",
            [_recorded(file, "artifacts", overlays, "all"), check.format(" --made")],
            [*CODE, "report", *runs, *(packed if study.tasks else [])],
            [*ARTIFACT_PARAMS, *_whole(overlays)],
            [*(f"{study.root}/{part}" for part in outputs), f"{study.root}/memory/artifacts.json"],
        ),
    }
    if attacked:
        stages["artifacts"]["metrics"] = _persistent([f"{study.root}/metrics.json"])
    return {"stages": _placed(file, stages)} | ({"plots": _plots(file, study)} if attacked else {})


def data_stages(study: Study, overlays: Sequence[str], defaults: Study) -> dict[str, Stage]:
    """Return the stages of a study's datasets by name, for data/dvc.yaml.

    defaults: the study of params.yaml alone. Where the overlays say another thing of a dataset than params.yaml,
    its stages depend on them, and are of this study.
    """
    stages = {}
    for dataset, backbone in _forms(study):
        own = overlays if study.definition(dataset) != defaults.definition(dataset) else []
        own = overlays if study.params["data"]["mirror"] != defaults.params["data"]["mirror"] else own
        raw, packed = f"data/raw/{dataset}", study.packed(dataset, backbone)
        form = Path(packed).name
        params = ["data.mirror", "datasets", *_whole(own)]
        stages[dataset] = _stage(
            f"the dataset {dataset}, fetched",
            [_recorded(DATA_FILE, dataset, own, f"{raw}/source.json")],
            DATA_CODE,
            params,
            [raw, f"data/memory/{dataset}.json"],
        )
        name = form.replace("@", "-")
        stages[name] = _stage(
            f"the dataset {dataset}, packed",
            [_recorded(DATA_FILE, name, own, f"{packed}/manifest.json")],
            [*DATA_CODE, raw],
            params,
            [packed, f"data/memory/{form}.json"],
        )
    return _placed(DATA_FILE, stages)


def _forms(study: Study) -> list[tuple[str, str]]:
    """Every dataset of a study with every backbone that sees it."""
    return [
        (split_reference(dataset)[0], backbone)
        for dataset in study.datasets()
        for backbone in study.params["study"]["backbones"]
    ]


def _recorded(file: Path, name: str, overlays: Sequence[str], target: str) -> str:
    options = f"--configfile {' '.join(overlays)} -- " if overlays else ""
    return f"python -m workflow_scripts.recorded {file}:{name} snakemake {options}{target}"


def _stage(about: str, commands: list[str], deps: list[str], params: list[Any], outs: list[str]) -> Stage:
    return {
        "desc": about,
        "cmd": commands[0] if len(commands) == 1 else commands,
        "deps": list(deps),
        "params": list(params),
        "outs": _persistent(outs),
    }


def _persistent(outs: list[str]) -> list[dict[str, Any]]:
    return [{out: {"persist": True}} for out in outs]


def _whole(overlays: Sequence[str]) -> list[dict[str, None]]:
    """All of the overlays, and of what `make tune` chose: a section that is added to them counts at once."""
    files = [*overlays, str(tuned_file(overlays[-1] if overlays else "params.yaml"))]
    return [{file: None} for file in files if file in overlays or Path(file).is_file()]


def _placed(file: Path, stages: dict[str, Stage]) -> dict[str, Stage]:
    """The stages of a DVC file, run from the project's folder wherever the file lies."""
    up = "/".join([".."] * (len(file.parts) - 1))
    return {name: {"wdir": up} | stage if up else stage for name, stage in stages.items()}


def _plots(file: Path, study: Study) -> list[dict[str, Any]]:
    """One plot for each measure, a panel for each strategy; their paths are relative to the DVC file."""
    up = "../" * (len(file.parts) - 1)
    return [
        {
            f"{measure} of {study.name}": {
                "template": "strategies",
                "x": "step",
                "y": {f"{up}{study.root}/tables/trajectories.csv": measure},
                "title": title,
            }
        }
        for measure, title in PLOTS.items()
    ]
