"""The rooms of design section 3: imports point down only, and what runs code on load is never imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from importlinter import configuration
from importlinter.application import use_cases

from support.source import ROOT, imports, modules, relative

RUNS_CODE_ON_LOAD = {"pickle", "_pickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"}


def test_import_contracts_of_pyproject_are_kept() -> None:
    configuration.configure()

    assert use_cases.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_logo=True)


@pytest.mark.parametrize("path", modules(), ids=relative)
def test_module_imports_no_format_that_runs_code_on_load(path: Path) -> None:
    """Models are LightGBM text, skops or JSON, never a pickle (design section 4)."""
    forbidden = [f"line {line}: {full}" for _, full, line in imports(path) if RUNS_CODE_ON_LOAD & set(full.split("."))]

    assert not forbidden
