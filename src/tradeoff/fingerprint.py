"""Fingerprints of code: what a script does, as a hash that comments, docstrings and layout do not change.

A rule carries its script's fingerprint as a parameter, so that Snakemake reruns it when the script, or
any module of this project it imports however deep, changes in content, and never when only a date does.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

from tradeoff.errors import UserError

ROOT = Path(__file__).parents[2]
# Where the project's own modules live: package name -> folder of the package.
PACKAGES = {"tradeoff": ROOT / "src" / "tradeoff", "workflow_scripts": ROOT / "workflow_scripts"}
# Tables of names to modules. Their own lines do not count, so that registering a strategy reruns nothing;
# the entry that a job uses counts through the module it names.
REGISTRIES = {"STRATEGIES", "OBJECTIVES", "ATTACKS", "CORRUPTIONS", "KINDS", "DATASETS", "FIGURES", "TABLES"}


@cache
def fingerprint(*modules: str) -> str:
    """Return 16 hexadecimal digits for `modules` (dotted names) and all project modules they import.

    A module that is imported lazily through a registry is no import statement: name it too.
    Of a package's ``__init__`` the imports count as well. ModuleNotFoundError for a name that is no module.
    """
    digest = hashlib.sha256()
    for module in sorted(closure(modules)):
        digest.update(module.encode())
        digest.update(_read(module)[1])
    return digest.hexdigest()[:16]


def check_code(stated: str, found: str) -> None:
    """UserError unless the code that runs is the code that the workflow began with: results name the latter."""
    if found != stated:
        raise UserError(
            "code",
            f"the fingerprint {found}",
            f"{stated}, of the code that this workflow began with; it was edited since",
            "run the same command again",
        )


def closure(modules: tuple[str, ...]) -> set[str]:
    """Return the names of `modules` and of all project modules they import, however deep."""
    found: set[str] = set()
    pending = list(modules)
    while pending:
        module = pending.pop()
        if module in found:
            continue
        found.add(module)
        pending += _read(module)[0]
    return found


def _path_of(module: str) -> Path | None:
    """The file of a project module, or None when the name is no module of the project."""
    package, _, rest = module.partition(".")
    if package not in PACKAGES:
        return None
    base = PACKAGES[package].joinpath(*rest.split(".")) if rest else PACKAGES[package]
    for path in (base.with_suffix(".py") if rest else None, base / "__init__.py"):
        if path is not None and path.is_file():
            return path
    return None


@cache
def _read(module: str) -> tuple[tuple[str, ...], bytes]:
    """Return the project modules that a module imports, and the digest of what it does; parsed once for both."""
    path = _path_of(module)
    if path is None:
        raise ModuleNotFoundError(f"no module {module!r} in this project")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    imports = sorted(name for name in names if name != module and _path_of(name) is not None)
    tree.body = [node for node in tree.body if not _is_registry(node)]
    # As text, not as a dump of the tree: its fields change between versions of Python.
    return tuple(imports), hashlib.sha256(ast.unparse(tree).encode()).digest()


def _is_registry(node: ast.stmt) -> bool:
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, ast.AnnAssign)
        else []
    )
    return any(isinstance(target, ast.Name) and target.id in REGISTRIES for target in targets)


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        node.body = node.body[1:] or [ast.Pass()]
