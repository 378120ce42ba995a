"""Lines outside the database that say where a hash chain was, so that one that was cut or replaced shows (ADR 45)."""

from __future__ import annotations

from typing import Protocol


class Anchors(Protocol):
    """One list of lines a task, which is only added to. Methods block and raise `StorageError`."""

    def lines(self, task_id: str) -> list[bytes]:
        """All of them, oldest first, without line ends."""
        ...

    def last(self, task_id: str) -> bytes | None: ...

    def append(self, task_id: str, line: bytes, after: bytes | None) -> bool:
        """Add a line, durably, if `after` is still the last one (None: if there is none). False when another process
        was faster; nothing is written then."""
        ...
