"""Wait until predictions are in the experience store, without asking it again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dissonance.contracts.counts import counted
from dissonance.contracts.events import Experienced
from dissonance.contracts.topics import EventKind
from dissonance.errors import TimedOut
from dissonance.ports.bus import Bus
from dissonance.ports.store import ExperienceStore

CYCLE_LIMIT_S = 30.0


class Stored:
    """Told by `experienced` events; listens only while somebody waits."""

    def __init__(self, bus: Bus, store: ExperienceStore) -> None:
        self._bus = bus
        self._store = store

    async def __call__(self, task_id: str, prediction_ids: Sequence[bytes], limit_s: float = CYCLE_LIMIT_S) -> None:
        """Raises `TimedOut` after `limit_s` seconds; the rows are on their way and will be stored nevertheless."""
        missing = set(prediction_ids)
        try:
            async with asyncio.timeout(limit_s), self._bus.watch([EventKind.EXPERIENCED]) as experienced:
                missing -= set(await self._store.outcomes(task_id, prediction_ids))
                while missing:
                    event = await anext(experienced)
                    if isinstance(event, Experienced) and event.task_id == task_id:
                        missing -= set(event.prediction_ids)
        except TimeoutError as error:
            raise TimedOut(
                f"answered and not stored after {limit_s:g} s: {counted(len(missing), 'row')}",
                where="critic, gate or learner",
                fix="see that these roles run (dissonance status, /readyz); the rows are kept on the bus",
            ) from error
