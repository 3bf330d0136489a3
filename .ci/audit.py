"""Look up known vulnerabilities of every locked package: `make audit`.

Ends with status 1 when one is known, with 0 when none is, and with 0 and a line that begins with `skipped` when
nobody could be asked: pip-audit itself reports no vulnerabilities for packages that it could not look up.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TOOL = "pip-audit==2.10.1"
GROUPS = ("dev", "adapterhub")  # they conflict, so each is looked up by itself
# Known, and without an effect here: the advisory's name, and why.
HARMLESS: dict[str, str] = {}


def main() -> int:
    found: dict[str, dict[str, Any]] = {}
    for group in GROUPS:
        answer = look_up(group)
        if isinstance(answer, str):
            print(f"skipped: no advisories in reach ({answer})")
            return 0
        found |= {f"{each['name']} {each.get('version', '')}": each for each in answer}
    lines, status = judge(list(found.values()))
    print("\n".join(lines))
    return status


def look_up(group: str) -> list[dict[str, Any]] | str:
    """Return what pip-audit says of each locked package, or why it could not."""
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "requirements.txt"
        export = ["uv", "export", "--frozen", "--quiet", "--no-emit-project", "--group", group]
        if group != "dev":
            export += ["--no-group", "dev"]
        subprocess.run([*export, "--output-file", pinned], check=True, stdout=subprocess.DEVNULL)
        command = ["uv", "tool", "run", "--quiet", TOOL, "--requirement", pinned]
        command += ["--disable-pip", "--format=json", "--progress-spinner=off"]
        result = subprocess.run(command, capture_output=True, text=True)
    try:
        dependencies: list[dict[str, Any]] = json.loads(result.stdout)["dependencies"]
    except (ValueError, KeyError):
        return (result.stderr.strip().splitlines() or ["no answer"])[-1]
    return dependencies


def judge(dependencies: list[dict[str, Any]]) -> tuple[list[str], int]:
    """Return lines that say what was found, and the exit status."""
    asked = [each for each in dependencies if "skip_reason" not in each]
    unknown = len(dependencies) - len(asked)
    if not asked:
        return [f"skipped: no advisories for any of {unknown} packages, so this index has none"], 0
    lines = []
    for each in asked:
        for advisory in each["vulns"]:
            if not {advisory["id"], *advisory.get("aliases", [])} & HARMLESS.keys():
                mended = ", ".join(advisory["fix_versions"]) or "no version yet"
                lines.append(f"{each['name']} {each['version']}: {advisory['id']}, mended in {mended}")
    status = 1 if lines else 0
    lines.append(f"{len(asked)} packages looked up, {unknown} unknown to the index, {len(lines)} advisories")
    return lines, status


if __name__ == "__main__":
    sys.exit(main())
