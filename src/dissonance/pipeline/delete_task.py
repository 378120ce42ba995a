"""Remove a task: its rows, the keys that opened them, and its models."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from dissonance.contracts.events import TaskDeleted
from dissonance.contracts.schema import Task
from dissonance.errors import DissonanceError
from dissonance.pipeline.workshop import Workshop

logger = logging.getLogger(__name__)

PRODUCER = "pipeline"


async def delete_task(workshop: Workshop, name: str) -> Task:
    """Destroying the keys comes first: from then on every copy of a row, in streams and backups too, is unreadable.

    Models go before the task's own row, so that a deletion that was cut short can be repeated by name. Raises
    `UnknownTask` or `EngineUnavailable`.
    """
    task = await workshop.store.by_name(name)
    await workshop.keys.destroy_task(task.task_id)
    await asyncio.to_thread(workshop.registry.delete_task, task.task_id)
    await workshop.store.delete(task.task_id)
    await workshop.bus.publish(
        [
            TaskDeleted(
                event_id=f"deleted-{task.task_id}",
                task_id=task.task_id,
                produced_at_us=workshop.clock.now_us(),
                producer=PRODUCER,
                name=task.name,
            )
        ]
    )
    return task


async def remove_traces(workshop: Workshop, task_id: str, *, models: bool) -> None:
    """Take back a task that could not be created whole; each part on its own, since one engine may be away. `models`:
    some may have been registered.

    What cannot be taken back is logged: the failure that led here is the one the caller must see.
    """
    removals: dict[str, Callable[[], Awaitable[object]]] = {
        "keys": lambda: workshop.keys.destroy_task(task_id),
        "rows": lambda: workshop.store.delete(task_id),
    }
    if models:
        removals["models"] = lambda: asyncio.to_thread(workshop.registry.delete_task, task_id)
    for what, remove in removals.items():
        try:
            await remove()
        except DissonanceError as error:
            logger.error("%s of a task that was not created may remain (id %s): %s", what, task_id, error)
