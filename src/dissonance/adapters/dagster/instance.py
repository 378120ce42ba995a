"""Dagster's own folder: its runs and events in SQLite, and nothing told to anybody."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
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
LOCK = "lock"


def open_instance(folder: Path) -> dagster.DagsterInstance:
    """Its storage is made, by one process at a time: two that make it together leave it with two heads of its schema.

    The caller closes it, by `with`. Raises `OSError` where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(folder / LOCK):
        file = folder / FILE
        if not file.exists() or file.read_text(encoding="utf-8") != SETTINGS:
            file.write_text(SETTINGS, encoding="utf-8")
        return dagster.DagsterInstance.from_config(str(folder))


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
