"""`ports.anchors.Anchors` in memory, for tests. `available = False` plays a disk that is away."""

from __future__ import annotations

from dissonance.errors import StorageError


class MemoryAnchors:
    is_double = True

    def __init__(self) -> None:
        self.available = True
        self.kept: dict[str, list[bytes]] = {}

    def lines(self, task_id: str) -> list[bytes]:
        self._require()
        return list(self.kept.get(task_id, ()))

    def last(self, task_id: str) -> bytes | None:
        lines = self.lines(task_id)
        return lines[-1] if lines else None

    def append(self, task_id: str, line: bytes, after: bytes | None) -> bool:
        if self.last(task_id) != after:
            return False
        self.kept.setdefault(task_id, []).append(line)
        return True

    def _require(self) -> None:
        if not self.available:
            raise StorageError("the anchors in memory play dead", where="anchors", fix="set `available`")
