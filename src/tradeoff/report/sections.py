"""The sections of the page: each a function from results to HTML. A new one is one function and one line below."""

import base64
import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from tradeoff.analysis.points import under
from tradeoff.analysis.study_file import probe_label, threats
from tradeoff.artifacts import FIGURES, TABLES, Entry, available, load, unavailable
from tradeoff.artifacts.looks import look
from tradeoff.artifacts.results import Results
from tradeoff.artifacts.style import PER_INCH
from tradeoff.artifacts.text import interval
from tradeoff.files import digest_of
from tradeoff.probes.results import CONFIDENCE
from tradeoff.report.captions import caption
from tradeoff.report.costs import costs
from tradeoff.report.html import details, escaped, plain_table, table
from tradeoff.seals import read_checked, read_sealed, recorded_sum

FLAGS = "flags"  # the table that has a section of its own
SHORT = 12  # digits of a digest that a reader needs


@dataclass(frozen=True)
class Picture:
    """How pictures are shown: what share of their width as drawn (0: not at all), in which quality (None: exactly)."""

    share: float
    quality: int | None


AS_DRAWN = Picture(1, None)


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
        "Probes": "; ".join(
            probe_label(results.study, name)
            for name in dict.fromkeys(probe for run in runs for probe in run["probes"])
        ),
        "Flags": _count(len(found), "warning", "warnings")
        if (found := results.flags.to_dict("records"))
        else "none",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{escaped(value)}</dd>" for name, value in facts.items())
    return f"<dl>{listed}</dl>" + _best(results)


def uncertainty(results: Results) -> str:
    """What intervals mean in this study."""
    words = (
        f"Bars, bands and brackets beside accuracy and robustness are {CONFIDENCE:.0%} intervals over test images, of"
        " one run; those of means over ε or over corruptions are no tighter than that."
    )
    if threats(results.study):
        settings = results.study["params"]["tradeoff"]
        seeds = len({run["seed"] for run in results.study["runs"]})
        widened = {
            1: "; they do not cover what another seed would change",
            2: ", and cover the areas of both seeds: two say little of the spread over seeds",
        }.get(seeds, ", widened by the spread over seeds")
        words += (
            f" Those of trade-off AUC are {settings['confidence'] * 100:g}% intervals from a bootstrap over test"
            f" images{widened}."
            if settings["bootstrap"]
            else " Trade-off AUC has none here, since params ask for no bootstrap."
        )
    return (
        f"<p>{words} Intervals that overlap leave the order of two strategies open; the table of differences, in a"
        " study of several, compares them on the same images.</p>"
    )


def tables(results: Results) -> str:
    """Every table the study supports, and what it would take to have the others."""
    study = results.study
    names = [name for name in available(study, TABLES) if name != FLAGS]
    shown = [_table(results, name) for name in names]
    return _contents("table", names, TABLES) + "\n".join(shown) + _missing(unavailable(study, TABLES), TABLES)


def figures(results: Results, picture: Picture = AS_DRAWN) -> str:
    """Every figure, as it was drawn for print, and how it came about."""
    study = results.study
    names = available(study, FIGURES)
    shown = [_figure(results, name, picture) for name in names]
    about = _contents("figure", names, FIGURES) + _shrunk(picture)
    return about + "\n".join(shown) + _missing(unavailable(study, FIGURES), FIGURES)


def flags(results: Results) -> str:
    """What the probes found suspicious."""
    return (
        "<p>A flag is something that an honest evaluation should not show, and what to suspect. Look into it before"
        " you trust that run.</p>" + _table(results, FLAGS)
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
    jobs = list(costs(results))
    totals: dict[str, tuple[int, float, float]] = {}
    for job in jobs:
        number, seconds, of_devices = totals.get(job.rule, (0, 0.0, 0.0))
        totals[job.rule] = number + 1, seconds + job.seconds, of_devices + job.seconds * job.processes
    sums = [
        [rule, f"{number:,}", f"{seconds:,.1f}", f"{seconds / number:,.1f}", f"{of_devices / 3600:,.2f}"]
        for rule, (number, seconds, of_devices) in totals.items()
    ]
    each = [[job.rule, job.run, f"{job.seconds:,.2f}", str(job.processes)] for job in jobs]
    machines = Counter(job.machine for job in jobs)
    on = "; ".join(f"{escaped(machine)} ({_count(n, 'job', 'jobs')})" for machine, n in machines.items())
    return (
        plain_table(["Rule", "Jobs", "Seconds", "Seconds a job", "Device-hours"], sums)
        + f"<p>Measured on: {on}. Seconds are wall-clock time of the work itself, without start-up; a job in several"
        " processes has a device for each.</p>"
        + details("Every job", plain_table(["Rule", "Run", "Seconds", "Devices"], each, left=2))
    )


SECTIONS: dict[str, Callable[[Results], str]] = {
    "overview": overview,
    "uncertainty": uncertainty,
    "tables": tables,
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


def _table(results: Results, name: str) -> str:
    folder = results.root / "tables"
    record = folder / f"{name}.record.json"
    made = f"Table <code>{_short(recorded_sum(folder / f'{name}.csv', record))}</code>, set {_source(record)}"
    links = _links(f"tables/{name}", {"csv": "CSV", "md": "Markdown", "tex": "LaTeX"})
    return (
        f'<article id="table-{name}"><h3>{escaped(TABLES[name].title)}</h3>'
        + table(load(name, results.study, TABLES).make(results))
        + details("What it shows", caption(name, results.study["study"]["title"]))
        + f"<p class=made>{made} {links}</p></article>"
    )


def _figure(results: Results, name: str, shown: Picture) -> str:
    folder = results.root / "figures"
    record = folder / f"{name}.record.json"
    sha256 = recorded_sum(folder / f"{name}.png", record)
    made = f"Picture <code>{_short(sha256)}</code>, drawn {_source(record)}"
    links = _links(f"figures/{name}", {"pdf": "PDF", "png": "PNG", "csv": "CSV"})
    title = escaped(FIGURES[name].title)
    about_it = caption(name, results.study["study"]["title"])
    content = read_checked(folder / f"{name}.png", sha256)
    return (
        f'<figure id="figure-{name}"><h3>{title}</h3>'
        + (_image(content, shown, f"{title}; its numbers are in figures/{name}.csv") if shown.share else "")
        + f"<figcaption>{about_it}<p class=made>{made} {links}</p></figcaption></figure>"
    )


def _source(record: Path) -> str:
    """What a record says an artifact was made with and from, which need not be what today's code would do."""
    about = read_sealed(record)
    sources = [
        f"{escaped(os.path.normpath(f'{record.parent.name}/{file}'))} <code>{_short(source)}</code>"
        for file, source in about["from"].items()
    ]
    return f"by code <code>{_short(about['code'])}</code> from {', '.join(sources)}."


def _links(path: str, kinds: dict[str, str]) -> str:
    """Links to what lies beside the page: path.ending for each ending, called as it says."""
    links = (f'<a href="{path}.{ending}">{kind}</a>' for ending, kind in kinds.items())
    return f"Beside this page: {', '.join(links)}."


def _image(png: bytes, shown: Picture, alt: str) -> str:
    """An <img> as wide as it was drawn, a PNG as WebP, which without loss takes half the bytes."""
    smaller = io.BytesIO()
    with Image.open(io.BytesIO(png)) as drawn:
        picture = drawn.convert("RGB")
    inches = picture.width / PER_INCH
    if shown.share < 1:
        picture = picture.resize(
            [max(1, round(side * shown.share)) for side in picture.size], Image.Resampling.LANCZOS
        )
    kind = {"lossless": True} if shown.quality is None else {"quality": shown.quality}
    picture.save(smaller, "WEBP", **kind)
    source = f"data:image/webp;base64,{base64.b64encode(smaller.getvalue()).decode()}"
    return f'<img alt="{alt}" style="--inches: {inches:.3f}" src="{source}">'


def _shrunk(picture: Picture) -> str:
    """What pictures lost, for a page that would be too large with them as drawn."""
    if picture == AS_DRAWN:
        return ""
    lost = (
        "are left out"
        if not picture.share
        else "are shown in lower quality"
        if picture.share == 1
        else f"are shown at {picture.share:.0%} of their resolution"
    )
    return f"<p class=hint>To keep this page small, pictures {lost}; the files that their links name are whole.</p>"


def _contents(kind: str, names: Iterable[str], registry: dict[str, Entry]) -> str:
    """Links to the figures or tables of a section."""
    links = "".join(
        f'<li><a href="#{kind}-{name}">{escaped(registry[name].title)}</a></li>' for name in names
    )
    return f'<nav class=contents aria-label="{kind.capitalize()}s"><ul>{links}</ul></nav>' if links else ""


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


def _short(digest: Any) -> str:
    return escaped(str(digest)[:SHORT])


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
