"""Dagster's own folder: its runs and events in SQLite, and nothing told to anybody."""

from __future__ import annotations

from pathlib import Path

import dagster

SETTINGS = """\
telemetry:
  enabled: false
run_coordinator:
  module: dagster.core.run_coordinator
  class: DefaultRunCoordinator
"""
FILE = "dagster.yaml"


def prepare(folder: Path) -> None:
    """Raises `OSError` where it cannot be written."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / FILE
    if not file.exists() or file.read_text(encoding="utf-8") != SETTINGS:
        file.write_text(SETTINGS, encoding="utf-8")


def open_instance(folder: Path) -> dagster.DagsterInstance:
    """The caller closes it, by `with`."""
    prepare(folder)
    return dagster.DagsterInstance.from_config(str(folder))
