"""Fingerprints change with what code does, at any depth, and with nothing else."""

import pytest

from tradeoff import fingerprint as module
from tradeoff.fingerprint import closure, fingerprint

SCRIPT = '''"""Says hello."""
from tradeoff.deep import value

def main():
    """Do it."""
    return value  # here
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of one script, a module it imports, and one that this imports."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "tradeoff").mkdir()
    (tmp_path / "scripts" / "script.py").write_text(SCRIPT)
    (tmp_path / "tradeoff" / "deep.py").write_text("from tradeoff import deeper\nvalue = deeper.x\n")
    (tmp_path / "tradeoff" / "deeper.py").write_text("x = 1\nSTRATEGIES = {'a': 'b'}\n")
    (tmp_path / "tradeoff" / "unrelated.py").write_text("y = 1\n")
    packages = {"tradeoff": tmp_path / "tradeoff", "workflow_scripts": tmp_path / "scripts"}
    monkeypatch.setattr(module, "PACKAGES", packages)
    clear()
    yield tmp_path
    clear()


def clear():
    for function in (module.fingerprint, module._read):
        function.cache_clear()


def today():
    clear()
    return fingerprint("workflow_scripts.script")


def test_it_follows_imports_of_the_project_however_deep(project):
    assert closure(("workflow_scripts.script",)) == {
        "workflow_scripts.script",
        "tradeoff.deep",
        "tradeoff.deeper",
    }
    before = today()
    (project / "tradeoff" / "deeper.py").write_text("x = 2\nSTRATEGIES = {'a': 'b'}\n")
    assert today() != before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("scripts/script.py", SCRIPT.replace("# here", "# there")),
        ("scripts/script.py", SCRIPT.replace("Do it.", "Do it, in other words.")),
        ("scripts/script.py", SCRIPT.replace("\n    return", "\n\n    return")),
        ("tradeoff/deeper.py", "x = 1\nSTRATEGIES = {'a': 'b', 'new': 'one'}\n"),
        ("tradeoff/unrelated.py", "y = 2\n"),
    ],
)
def test_comments_docstrings_layout_registry_lines_and_other_modules_do_not_count(project, file, text):
    before = today()
    (project / file).write_text(text)
    assert today() == before


def test_a_string_that_is_no_docstring_counts(project):
    before = today()
    (project / "scripts" / "script.py").write_text(SCRIPT.replace("return value", "return 'value'"))
    assert today() != before


def test_a_module_named_beside_the_script_counts(project):
    before = today()
    assert fingerprint("workflow_scripts.script", "tradeoff.unrelated") != before


def test_an_unknown_module_is_an_error(project):
    with pytest.raises(ModuleNotFoundError, match="no module"):
        fingerprint("workflow_scripts.missing")
