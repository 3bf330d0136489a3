"""One HTML file that shows a study: text, tables and pictures as they are, and plots to explore."""

import json
from importlib.resources import files
from string import Template

from tradeoff.artifacts.results import Results
from tradeoff.report import sections
from tradeoff.report.curves import explorable
from tradeoff.report.html import escaped
from tradeoff.report.sections import AS_DRAWN, Picture

PARTS = ("page.html", "page.css", "page.js")
LARGEST = 10_000_000  # bytes, of which Plotly takes half
# How pictures are shown and every which snapshot is plotted, until a page is no larger.
LADDER = (
    (AS_DRAWN, 1),
    (Picture(1, 80), 1),
    (Picture(0.5, 80), 1),
    (Picture(0.25, 60), 1),
    (Picture(0.25, 60), 4),
    (Picture(0, None), 4),
    (Picture(0, None), 32),
)


def page(results: Results) -> str:
    """Return the page of a study whose tables and figures are made; it refers to nothing outside itself.

    Equal results give equal bytes. It has at most LARGEST bytes, at the cost of pictures and, of a study larger still,
    of snapshots in the plots; it says which. Text and tables stay whole, whatever they take. UserError when a table,
    figure or run cannot be read.
    """
    html, css, script = (files(__package__).joinpath(part).read_text(encoding="utf-8") for part in PARTS)
    values = {
        "title": escaped(results.study["study"]["title"]),
        "style": css,
        "script": script,
        "plotly": files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8"),
    }
    values |= {name: write(results) for name, write in sections.SECTIONS.items()}
    whole = ""
    for picture, every in LADDER:
        values["figures"] = sections.figures(results, picture)
        values["data"] = _for_script(explorable(results, every))
        values["thinned"] = _thinned(every)
        whole = Template(html).substitute(values)
        if len(whole.encode()) <= LARGEST:
            break
    return whole


def _thinned(every: int) -> str:
    """What plots leave out."""
    return (
        f"<p class=hint>To keep this page small, the plots show one snapshot in {every}, the last of each run, and"
        " those on a frontier.</p>"
        if every > 1
        else ""
    )


def _for_script(value: object) -> str:
    """JSON that cannot end the script element it stands in, whatever names hold."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
