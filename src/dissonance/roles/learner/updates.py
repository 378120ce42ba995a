"""Retrain requested in, candidate out. The work is the pipeline's."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.contracts.events import Event, RetrainRequested
from dissonance.roles.updates import Updates


class LearnerUpdates:
    def __init__(self, updates: Updates) -> None:
        self._updates = updates

    async def handle(self, events: Sequence[Event]) -> list[Event]:
        """However many requests of a task are queued, the newest is trained for: it sees the labels of all."""
        newest = {event.task_id: event for event in events if isinstance(event, RetrainRequested)}
        return [made for request in newest.values() for made in await self._updates.train(request)]
