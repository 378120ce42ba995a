"""Tasks and models read ahead, so that the first request waits for nothing, and finds no engine away."""

from __future__ import annotations

import asyncio

from dissonance.errors import DissonanceError, EngineUnavailable
from dissonance.ports.store import TaskStore
from dissonance.roles.catalogue import Catalogue

MOST_TASKS = 16
"""More are read when somebody asks."""

AGAIN_S = 1.0


class Warming:
    """Until it was done once, a replica that has just started is no place to send requests to."""

    def __init__(self, catalogue: Catalogue, store: TaskStore, again_s: float = AGAIN_S) -> None:
        self._catalogue = catalogue
        self._store = store
        self._again_s = again_s
        self._done = False

    async def ready(self) -> None:
        """Raises `EngineUnavailable` until the newest tasks are known here."""
        if not self._done:
            raise EngineUnavailable(
                "the models of its tasks are not loaded yet",
                where="proposer",
                fix="wait; it goes on by itself once PostgreSQL and MLflow answer: dissonance status",
            )

    async def warm(self) -> None:
        """Returns when they are; what cannot be loaded is left to whoever asks for it."""
        left: list[str] | None = None
        while left is None or left:
            try:
                if left is None:
                    tasks = sorted(await self._store.all(), key=lambda task: task.created_at_us)
                    left = [task.name for task in tasks[-MOST_TASKS:]]
                while left:
                    await self._catalogue.arms((await self._catalogue.by_name(left[-1])).task)
                    left.pop()
            except EngineUnavailable:
                await asyncio.sleep(self._again_s)
            except DissonanceError:
                if left:
                    left.pop()
        self._done = True
