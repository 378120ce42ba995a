"""Candidates in, judgements out; and rollouts looked at again whenever labels or windows came. The work is the
pipeline's."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.contracts.events import CandidateRegistered, Event
from dissonance.roles.updates import Updates


class GateUpdates:
    def __init__(self, updates: Updates) -> None:
        self._updates = updates

    async def judge(self, events: Sequence[Event]) -> list[Event]:
        return [
            said
            for event in events
            if isinstance(event, CandidateRegistered)
            for said in await self._updates.judge(event)
        ]

    async def advance(self, events: Sequence[Event]) -> list[Event]:
        """Each task once, however many messages are queued."""
        tasks = list(dict.fromkeys(event.task_id for event in events))
        return [said for task_id in tasks for said in await self._updates.advance(task_id)]
