"""Tasks and models read ahead, so that the first request waits for nothing, and finds no engine away."""

from __future__ import annotations

import asyncio

from dissonance.errors import DissonanceError, EngineUnavailable
from dissonance.ports.store import TaskStore
from dissonance.roles.catalogue import Catalogue

MOST_TASKS = 16
"""More are read when somebody asks."""

AGAIN_S = 1.0


async def warm(catalogue: Catalogue, store: TaskStore) -> None:
    """Returns when the newest tasks are known here; what cannot be loaded is left to whoever asks for it."""
    left: list[str] | None = None
    while left is None or left:
        try:
            if left is None:
                tasks = sorted(await store.all(), key=lambda task: task.created_at_us)
                left = [task.name for task in tasks[-MOST_TASKS:]]
            while left:
                await catalogue.arms((await catalogue.by_name(left[-1])).task)
                left.pop()
        except EngineUnavailable:
            await asyncio.sleep(AGAIN_S)
        except DissonanceError:
            if left:
                left.pop()
