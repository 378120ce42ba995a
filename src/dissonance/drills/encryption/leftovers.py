"""What a run left in a temporary folder that others use too: new, ours, and in no living process's hands."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil


def left_behind(shared: Path, before: Iterable[Path]) -> list[Path]:
    """Entries of `shared` that were not there before. What a process still works in is of somebody else, since all of
    ours have ended; so is what another account owns."""
    known, used = frozenset(before), _in_use()
    return [path for path in sorted(shared.iterdir()) if path not in known and not _of_others(path, used)]


def _of_others(path: Path, used: Iterable[Path]) -> bool:
    try:
        is_foreign = path.lstat().st_uid != os.getuid()
    except FileNotFoundError:
        return True
    return is_foreign or any(place.is_relative_to(path) for place in used)


def _in_use() -> set[Path]:
    """Files that are open, and folders that are worked in, by every process that this one may look at."""
    found: set[Path] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            found.add(Path(process.cwd()))
            found.update(Path(each.path) for each in process.open_files())
    return found
