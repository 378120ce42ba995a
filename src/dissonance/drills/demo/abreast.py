"""Event time waits for the roles: at the pace of life nothing would be behind, however slow the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from dissonance.contracts.consumers import CONSUMERS
from dissonance.drills.demo.account import STILL_S, Rows, look
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.stream import Brake

BEHIND = "the roles are behind"
LOOK_EVERY_S = 0.25
MOST_ROWS = 200  # answered and not stored
MOST_LABELS = 30  # due and not given yet, or given and not joined
MOST_MESSAGES = 12  # that wait for one of those who look at windows and rollouts
LOOKING = ("evaluator", "evaluator-estimates", "gate-rollouts")


class Owes(Protocol):
    """`People` are."""

    def overdue(self, now_us: int) -> int: ...


class Abreast:
    """Holds the stream while the roles, or the people who label, are behind it."""

    def __init__(
        self,
        system: Rows,
        task_id: str,
        people: Owes,
        progress: Progress,
        brake: Brake,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._system = system
        self._task_id = task_id
        self._people = people
        self._progress = progress
        self._brake = brake
        self._sleep = sleep

    async def run(self) -> None:
        """Until cancelled. When nothing moves for `STILL_S` seconds the stream goes on; the account tells why."""
        progress = self._progress
        moved_s, seen = progress.now_s(), (-1, -1)
        while True:
            await look(self._system, self._task_id, progress)
            done = (progress.admitted + progress.blocked, progress.labels_joined)
            if done != seen:
                moved_s, seen = progress.now_s(), done
            if progress.now_s() - moved_s < STILL_S and await self.is_behind():
                self._brake.hold(BEHIND)
            else:
                self._brake.release(BEHIND)
            await self._sleep(LOOK_EVERY_S)

    async def is_behind(self) -> bool:
        """As of what `look` last read."""
        progress = self._progress
        rows = progress.acknowledged - progress.admitted - progress.blocked
        labels = progress.labels_sent - progress.labels_joined + self._people.overdue(progress.event_time_us)
        if rows > MOST_ROWS or labels > MOST_LABELS:
            return True
        lags = [await self._system.bus.lag(name, CONSUMERS[name]) for name in LOOKING]
        return max(lags) > MOST_MESSAGES
