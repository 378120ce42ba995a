"""Looks whether something is there, where the system may refuse to look: `DataFolderError` then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dissonance.errors import DataFolderError


def is_folder(path: Path) -> bool:
    with looking(path):
        return path.is_dir()


def is_file(path: Path) -> bool:
    with looking(path):
        return path.is_file()


def is_empty(folder: Path) -> bool:
    """Also where there is no such folder."""
    with looking(folder):
        return not folder.is_dir() or not any(folder.iterdir())


@contextmanager
def looking(path: Path) -> Iterator[None]:
    """For what else is done there."""
    try:
        yield
    except OSError as error:
        raise DataFolderError(
            f"closed to this account: {error.strerror or error}",
            where=str(path),
            fix="run it as the account that owns the data folder, or name another with --data",
        ) from error
