"""Files that are either the old or the new version, never half of one."""

from __future__ import annotations

import os
from pathlib import Path

from dissonance.adapters.synced import sync_folder


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` so that a crash at any moment leaves the old content or the new one. Raises `OSError`."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")  # by process: two writers do not share one
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def tail(path: Path, *, lines: int = 15, most_bytes: int = 16_384) -> str:
    """The last lines of a log, at most `most_bytes` of it; empty when there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most_bytes))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
