"""The sections of the page: each a function from results to HTML. A new one is one function and one line below."""

import base64
import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from tradeoff.analysis.points import under
from tradeoff.analysis.study_file import threats
from tradeoff.artifacts import FIGURES, TABLES, Entry, available, load, unavailable
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.style import PER_INCH
from tradeoff.artifacts.text import interval
from tradeoff.files import digest_of
from tradeoff.report.captions import caption
from tradeoff.report.html import details, escaped, plain_table, table
from tradeoff.seals import read_checked, read_sealed, recorded_sum

FLAGS = "flags"  # the table that has a section of its own
SHORT = 12  # digits of a digest that a reader needs


def overview(results: Results) -> str:
    """What was run, and which strategy trades best under the headline threat."""
    runs = results.study["runs"]
    facts = {
        "Runs": f"{len(runs):,}",
        "Datasets": ", ".join(results.dataset_labels.values()),
        "Backbones": ", ".join(dict.fromkeys(run["backbone"] for run in runs)),
        "Strategies": ", ".join(look(family).label for family in results.families),
        "Objectives": ", ".join(
            results.objective_labels[name] for name in dict.fromkeys(run["objective"] for run in runs)
        ),
        "Seeds": _seeds({run["seed"] for run in runs}),
        "Probes": ", ".join(dict.fromkeys(probe for run in runs for probe in run["probes"])),
        "Flags": _count(len(found), "warning", "warnings")
        if (found := results.flags.to_dict("records"))
        else "none",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{escaped(value)}</dd>" for name, value in facts.items())
    return f"<dl>{listed}</dl>" + _best(results)


def tables(results: Results) -> str:
    """Every table the study supports, and what it would take to have the others."""
    study = results.study
    shown = [
        f'<h3 id="table-{name}">{escaped(TABLES[name].title)}</h3>'
        + table(load(name, study, TABLES).make(results))
        for name in available(study, TABLES)
        if name != FLAGS
    ]
    return "\n".join(shown) + _missing(unavailable(study, TABLES), TABLES)


def figures(results: Results) -> str:
    """Every figure, as it was drawn for print, and how it came about."""
    study = results.study
    shown = [_figure(results, name) for name in available(study, FIGURES)]
    return "\n".join(shown) + _missing(unavailable(study, FIGURES), FIGURES)


def flags(results: Results) -> str:
    """What the probes found suspicious."""
    return (
        "<p>A flag is something that an honest evaluation should not show, and what to suspect. Look into it before"
        " you trust that run.</p>" + table(load(FLAGS, results.study, TABLES).make(results))
    )


def provenance(results: Results) -> str:
    """What every number is made from: settings, data, weights, code and versions, by digest."""
    records = [(run, _record(results, run)) for run in results.study["runs"]]
    rows = [
        [run["run"], *(_short(record[key]) for key in ("digest", "code", "data_digest", "weights_sha256"))]
        for run, record in records
    ]
    versions = sorted({tuple(sorted(record.get("versions", {}).items())) for _, record in records})
    used = [[", ".join(f"{name} {version}" for name, version in one)] for one in versions if one]
    params = yaml.safe_dump(results.study["params"], sort_keys=False, allow_unicode=True, width=100)
    parts = [
        f"<p>Study <code>{escaped(results.study['study']['name'])}</code>, settings"
        f" <code>{_short(digest_of(results.study['params']))}</code>. A digest changes when anything it stands"
        " for changes: settings, the bytes of data and weights, or the code (comments do not count)."
        " The chain from each figure and table back to the data is in <code>provenance.md</code>.</p>",
        plain_table(["Versions the runs were made with"], used) if used else "",
        details(
            f"The runs, {len(rows)}",
            plain_table(["Run", "Settings", "Code", "Data", "Weights"], rows, left=5),
        ),
        details("All params", f"<pre tabindex=0>{escaped(params)}</pre>"),
    ]
    return "\n".join(parts)


def cost(results: Results) -> str:
    """What the study took, in seconds of its jobs and hours of its devices."""
    lines = list(_costs(results))
    totals: dict[str, tuple[int, float, float]] = {}
    for rule, _, seconds, devices, _ in lines:
        jobs, sum_, of_devices = totals.get(rule, (0, 0.0, 0.0))
        totals[rule] = jobs + 1, sum_ + seconds, of_devices + seconds * devices
    sums = [
        [rule, f"{jobs:,}", f"{seconds:,.1f}", f"{seconds / jobs:,.1f}", f"{of_devices / 3600:,.2f}"]
        for rule, (jobs, seconds, of_devices) in totals.items()
    ]
    each = [[rule, run, f"{seconds:,.2f}", str(devices)] for rule, run, seconds, devices, _ in lines]
    machines = Counter(machine for *_, machine in lines)
    on = "; ".join(f"{escaped(machine)} ({_count(n, 'job', 'jobs')})" for machine, n in machines.items())
    return (
        plain_table(["Rule", "Jobs", "Seconds", "Seconds a job", "Device-hours"], sums)
        + f"<p>Measured on: {on}. Seconds are wall-clock time of the work itself, without start-up; a job in several"
        " processes has a device for each.</p>"
        + details("Every job", plain_table(["Rule", "Run", "Seconds", "Devices"], each, left=2))
    )


SECTIONS: dict[str, Callable[[Results], str]] = {
    "overview": overview,
    "tables": tables,
    "figures": figures,
    "flags": flags,
    "provenance": provenance,
    "cost": cost,
}


def _best(results: Results) -> str:
    """A sentence for each panel: who has the largest area, who the second."""
    if not threats(results.study):
        return "<p>No attack was probed, so there is no trade-off AUC.</p>"
    areas = under(results.areas, results.threat)
    sentences = []
    for panel in results.panels:
        rows = panel.rows(areas).sort_values("auc", ascending=False, kind="stable").head(2)
        words = [
            f"<strong>{escaped(look(row['family']).label)}</strong> {row['auc']:.3f}"
            f" {interval(row['low'], row['high'], 3)}".rstrip()
            for row in rows.to_dict("records")
        ]
        sentences.append(f"<li>{escaped(panel.name)}: {', then '.join(words)}</li>")
    return (
        f"<p>Largest trade-off AUC ({escaped(results.threat_label)}; intervals in brackets):</p>"
        f"<ul>{''.join(sentences)}</ul>"
    )


def _figure(results: Results, name: str) -> str:
    folder = results.root / "figures"
    record = folder / f"{name}.record.json"
    about = read_sealed(record)
    sha256 = recorded_sum(folder / f"{name}.png", record)
    source, inches = _picture(read_checked(folder / f"{name}.png", sha256))
    # As it was drawn, which need not be how today's code would draw it.
    sources = [
        f"{escaped(os.path.normpath(f'figures/{file}'))} <code>{_short(source)}</code>"
        for file, source in about["from"].items()
    ]
    made = (
        f"Picture <code>{_short(sha256)}</code>, drawn by code <code>{_short(about['code'])}</code>"
        f" from {', '.join(sources)}."
    )
    links = ", ".join(f'<a href="figures/{name}.{kind}">{kind.upper()}</a>' for kind in ("pdf", "png", "csv"))
    title = escaped(FIGURES[name].title)
    about_it = caption(name, results.study["study"]["title"])
    return (
        f'<figure id="figure-{name}"><h3>{title}</h3>'
        f'<img alt="{title}; its numbers are in figures/{name}.csv" style="--inches: {inches:.3f}" src="{source}">'
        f"<figcaption>{about_it}<p class=made>{made} Beside this page: {links}.</p></figcaption></figure>"
    )


def _picture(png: bytes) -> tuple[str, float]:
    """The source of an <img>, a PNG as lossless WebP, which takes half the bytes; and how wide it was drawn."""
    smaller = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(smaller, "WEBP", lossless=True)
        inches = picture.width / PER_INCH
    return f"data:image/webp;base64,{base64.b64encode(smaller.getvalue()).decode()}", inches


def _missing(refused: dict[str, str], registry: dict[str, Entry]) -> str:
    lines = "".join(
        f"<li>{escaped(registry[name].title)}: {_code(how)}</li>" for name, how in refused.items()
    )
    return (
        details(f"Not in this study, and how to have it: {len(refused)}", f"<ul>{lines}</ul>")
        if refused
        else ""
    )


def _code(words: str) -> str:
    """Words whose commands stand in backticks."""
    return re.sub(r"`(.+?)`", r"<code>\1</code>", escaped(words))


def _seeds(numbers: set[int]) -> str:
    """How many, and which."""
    return f"{len(numbers)} (no. {', '.join(map(str, sorted(numbers)))})"


def _record(results: Results, run: dict[str, Any]) -> dict[str, Any]:
    return read_sealed(results.root / "runs" / run["run"] / "run.json")


def _costs(results: Results) -> Iterator[tuple[str, str, float, int, str]]:
    """Rule, run, seconds, number of devices and machine of every job that says what it took."""
    for run in results.study["runs"]:
        name = run["run"]
        yield _cost("fine_tune", name, results.root / "runs" / name / "cost.json", "train_seconds")
        for probe in run["probes"]:
            path = results.root / "probes" / name / f"{probe}.cost.json"
            yield _cost(f"probe ({probe})", name, path, "seconds")


def _cost(rule: str, run: str, path: Path, key: str) -> tuple[str, str, float, int, str]:
    record = read_sealed(path)
    hardware = record["hardware"]
    machine = hardware.get("gpu") or f"{hardware['cores']} cores, {hardware['processor']}"
    return rule, run, float(record[key]), record.get("processes", 1), str(machine)  # a probe has one process


def _short(digest: Any) -> str:
    return escaped(str(digest)[:SHORT])


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
