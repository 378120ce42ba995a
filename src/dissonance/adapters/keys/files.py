"""Files of secrets. A symbolic link is not followed: what it leads to may be another's. Functions raise `OSError`."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from dissonance.adapters.synced import sync_folder


def content_of(path: Path) -> bytes:
    with open(path, "rb", opener=_as_it_lies) as file:
        return file.read()


def destroy(path: Path) -> None:
    """Overwrite and delete it; again: nothing. What a disk keeps of overwritten blocks is beyond this."""
    with suppress(FileNotFoundError):
        with open(path, "r+b", opener=_as_it_lies) as file:
            file.write(bytes(os.fstat(file.fileno()).st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        sync_folder(path.parent)


def _as_it_lies(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
