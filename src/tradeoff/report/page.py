"""One HTML file that shows a study: text, tables and pictures as they are, and plots to explore."""

import json
from importlib.resources import files
from string import Template

from tradeoff.artifacts.results import Results
from tradeoff.report import sections
from tradeoff.report.curves import explorable
from tradeoff.report.html import escaped

PARTS = ("page.html", "page.css", "page.js")


def page(results: Results) -> str:
    """Return the page of a study whose tables and figures are made; it refers to nothing outside itself.

    Equal results give equal bytes. UserError when a table, figure or run cannot be read.
    """
    html, css, script = (files(__package__).joinpath(part).read_text(encoding="utf-8") for part in PARTS)
    values = {
        "title": escaped(results.study["study"]["title"]),
        "style": css,
        "script": script,
        "plotly": files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8"),
        "data": _for_script(explorable(results)),
    }
    values |= {name: write(results) for name, write in sections.SECTIONS.items()}
    return Template(html).substitute(values)


def _for_script(value: object) -> str:
    """JSON that cannot end the script element it stands in, whatever names hold."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
