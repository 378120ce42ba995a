"""The cases that a run is about: those that ship, or the list `CASES` of another file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from types import ModuleType

from dissonance.errors import ConfigurationError
from science.case import Case


@cache
def load_cases(path: Path | None) -> tuple[Case, ...]:
    """`path` None: those that ship. Raises `ConfigurationError`."""
    module = importlib.import_module("science.cases") if path is None else _module_at(path)
    where = str(path or module.__file__)
    cases = getattr(module, "CASES", None)
    if not isinstance(cases, list | tuple) or not cases or not all(isinstance(case, Case) for case in cases):
        raise ConfigurationError(
            "there is no list of cases", where=where, fix="`from science.case import Case` and list some as CASES"
        )
    twice = [name for name, count in Counter(case.name for case in cases).items() if count > 1]
    if twice:
        raise ConfigurationError(f"two cases are named {', '.join(twice)}", where=where, fix="rename one of them")
    return tuple(cases)


def _module_at(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigurationError("there is no such file", where=str(path), fix="CASES=path/to/cases.py")
    # Under a name of its own: a file named cases.py is not the one that ships.
    specification = importlib.util.spec_from_file_location("cases_of_this_run", path)
    if specification is None or specification.loader is None:
        raise ConfigurationError("this is no Python file", where=str(path), fix="CASES=path/to/cases.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(
            f"it cannot be imported: {type(error).__name__}: {error}", where=str(path), fix="mend it, then run again"
        ) from error
    return module
