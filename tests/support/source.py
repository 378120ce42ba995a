"""The repository as text and syntax trees, for the architecture tests."""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "dissonance"
DOCS = ROOT / "docs"


def modules() -> list[Path]:
    """Every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def relative(path: Path) -> str:
    """As the tests name it: `roles/gate/decide.py` for a file of the package."""
    return path.relative_to(PACKAGE).as_posix()


def dotted_name(path: Path) -> str:
    """
    >>> dotted_name(PACKAGE / "roles" / "__init__.py")
    'dissonance.roles'
    """
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    # A collection half-way may format the traceback of an error, which parses too; CPython 3.11 cannot do both at once.
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    finally:
        gc.enable()


def imports(path: Path) -> Iterator[tuple[str, str, int]]:
    """Local name, what it stands for, and the line of every absolute import, wherever it stands.

    `from datetime import datetime as d` gives `("d", "datetime.datetime", 1)`.
    """
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for name in node.names:
                local = name.asname or name.name.partition(".")[0]
                yield local, name.name if name.asname else local, node.lineno
                if not name.asname and "." in name.name:
                    yield name.name, name.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                yield name.asname or name.name, f"{node.module}.{name.name}", node.lineno


def uses(path: Path) -> Iterator[tuple[str, int, ast.expr]]:
    """Full dotted name, line and node of every name and attribute that comes from an import.

    `import numpy as np; np.random.default_rng()` gives `numpy`, `numpy.random` and `numpy.random.default_rng`.
    """
    known = {local: full for local, full, _ in imports(path)}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Name | ast.Attribute):
            written = ast.unparse(node)
            head, dot, rest = written.partition(".")
            if head in known and re.fullmatch(r"[\w.]+", written):
                yield known[head] + dot + rest, node.lineno, node
