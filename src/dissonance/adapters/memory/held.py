"""What every part of the store in memory shares: the tasks it holds, and whether it plays dead."""

from __future__ import annotations

from collections.abc import Mapping

from dissonance.adapters.memory.task_rows import TaskRows
from dissonance.errors import EngineUnavailable, UnknownTask
from dissonance.ports.clock import Clock
from dissonance.ports.erasures import Erasure
from dissonance.ports.findings import Finding
from dissonance.ports.store import Experience


class Held:
    """`available = False` plays a database that is away."""

    def __init__(self, clock: Clock) -> None:
        self.available = True
        self._clock = clock
        self._tasks: dict[str, TaskRows] = {}
        self._findings: dict[tuple[str, str, str, int], Finding] = {}
        self._erasures: dict[tuple[str, bytes], Erasure] = {}

    def rows_of(self, task_id: str) -> TaskRows:
        """What is held of a task, for tests that look behind the port or tamper with it."""
        return self._of(task_id)

    def _require(self) -> None:
        if not self.available:
            raise EngineUnavailable("the store in memory plays dead", where="store", fix="set its `available`")

    def _of(self, task_id: str) -> TaskRows:
        self._require()
        if task_id not in self._tasks:
            raise UnknownTask(f"no task has the id '{task_id}'", where="task", fix="list them: dissonance task list")
        return self._tasks[task_id]

    def _known(self, task_id: str) -> TaskRows | None:
        self._require()
        return self._tasks.get(task_id)

    def _experience(self, task_id: str) -> Mapping[bytes, Experience]:
        known = self._known(task_id)
        return known.experience if known is not None else {}
