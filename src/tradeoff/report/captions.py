"""What figures and tables show: the captions of Snakemake's report, report/<name>.rst, as HTML."""

import re
from pathlib import Path

from tradeoff.report.html import escaped

FOLDER = Path(__file__).parents[3] / "report"
# How captions ask Snakemake for the study's title.
TITLE = '{{ snakemake.config["study"]["title"] }}'
# What captions use of reStructuredText.
MARKUP = (
    (r"``(.+?)``", r"<code>\1</code>"),
    (r"\*\*(.+?)\*\*", r"<strong>\1</strong>"),
    (r"\*(.+?)\*", r"<em>\1</em>"),
)


def caption(name: str, title: str) -> str:
    """Return the caption of a figure or table of a study as paragraphs."""
    text = escaped((FOLDER / f"{name}.rst").read_text(encoding="utf-8").strip())
    for pattern, html in MARKUP:
        text = re.sub(pattern, html, text, flags=re.DOTALL)
    text = text.replace(escaped(TITLE), escaped(title))
    return "".join(f"<p>{paragraph}</p>" for paragraph in text.split("\n\n"))
