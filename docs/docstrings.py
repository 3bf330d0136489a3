"""Docstrings on the site: a line `# ASSUME: ...` is a remark there, and no heading."""

import re
from typing import Any

import griffe


class Remarks(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"^# ASSUME:", "**Assumed:**", obj.docstring.value, flags=re.MULTILINE
            )
