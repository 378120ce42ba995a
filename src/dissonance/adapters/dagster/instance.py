"""Dagster's own folder: its runs and events in SQLite, and nothing told to anybody."""

from __future__ import annotations

from pathlib import Path

import dagster

from dissonance.adapters.locked import locked

SETTINGS = """\
telemetry:
  enabled: false
run_coordinator:
  module: dagster.core.run_coordinator
  class: DefaultRunCoordinator
"""
FILE = "dagster.yaml"
LOCK = "lock"


def open_instance(folder: Path) -> dagster.DagsterInstance:
    """Its storage is made, by one process at a time: two that make it together leave it with two heads of its schema.

    The caller closes it, by `with`. Raises `OSError` where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(folder / LOCK):
        file = folder / FILE
        if not file.exists() or file.read_text(encoding="utf-8") != SETTINGS:
            file.write_text(SETTINGS, encoding="utf-8")
        return dagster.DagsterInstance.from_config(str(folder))
