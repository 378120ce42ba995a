"""The rooms of design section 3: imports point down only, and what runs code on load is never imported."""

from __future__ import annotations

from importlinter import configuration
from importlinter.application import use_cases

from support.source import ROOT, imports, modules, relative

RUNS_CODE_ON_LOAD = {"pickle", "_pickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"}


def test_import_contracts_of_pyproject_are_kept() -> None:
    configuration.configure()

    assert use_cases.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_logo=True)


def test_no_module_imports_a_format_that_runs_code_on_load() -> None:
    """Models are LightGBM text, skops or JSON, never a pickle (design section 4)."""
    forbidden = [
        f"{relative(path)}, line {line}: {full}"
        for path in modules()
        for _, full, line in imports(path)
        if RUNS_CODE_ON_LOAD & set(full.split("."))
    ]

    assert forbidden == []
