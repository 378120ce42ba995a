"""`ports.anchors.Anchors` in a folder: one file a task, `<task id>.jsonl`, which is only appended to.

All processes of an installation write into one folder and take turns by `flock`; a line is synced before it counts. A
line without its end is what a power cut left: it never counted, and is cut off by the next one to write.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dissonance.adapters.synced import sync_folder
from dissonance.errors import StorageError

END = b"\n"
LONGEST_LINE = 4_096
"""Bytes from the end of a file in which its last line lies."""


class AnchorFolder:
    """The folder is made with the first line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lines(self, task_id: str) -> list[bytes]:
        path = self._path(task_id)
        with _translated(path):
            content = path.read_bytes() if path.exists() else b""
        return content.split(END)[:-1]

    def last(self, task_id: str) -> bytes | None:
        path = self._path(task_id)
        with _translated(path):
            if not path.exists():
                return None
            descriptor = os.open(path, os.O_RDONLY)
            try:
                return _last(descriptor)[0]
            finally:
                os.close(descriptor)

    def append(self, task_id: str, line: bytes, after: bytes | None) -> bool:
        path = self._path(task_id)
        with _translated(path):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                last, end = _last(descriptor)
                if last != after:
                    return False
                if end < os.fstat(descriptor).st_size:
                    os.ftruncate(descriptor, end)
                _write(descriptor, line + END)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if after is None:
                sync_folder(self._folder)
        return True

    def _path(self, task_id: str) -> Path:
        return self._folder / f"{task_id}.jsonl"


def _last(descriptor: int) -> tuple[bytes | None, int]:
    """The last whole line, and the offset of its end."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - 2 * LONGEST_LINE)
    tail = os.pread(descriptor, size - start, start)
    end = tail.rfind(END) + 1
    if not end:
        return None, 0
    return tail[: end - 1].rsplit(END, 1)[-1], start + end


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the anchors cannot be used: {error.strerror or error}",
            where=str(path),
            fix="let this user write there, or name another folder: DISSONANCE_ANCHOR_FOLDER",
        ) from error
