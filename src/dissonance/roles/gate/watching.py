"""Rollouts are looked at also when no label and no window comes: a model that answers nobody brings neither; and so is
what a gate saved that died before it told of it."""

from __future__ import annotations

import asyncio
import logging

from dissonance.errors import DissonanceError
from dissonance.ports.bus import Outbox
from dissonance.ports.clock import Clock
from dissonance.ports.rollouts import RolloutStore
from dissonance.roles.updates import Updates
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

LOOK_EVERY_S = 2.0
REST_SHARE = 3
LONGEST_REST_S = 5.0
"""It rests this many times as long as it looked, but no longer than that: a model may have to go back at once."""

_logger = logging.getLogger(__name__)


class RolloutWatch:
    def __init__(
        self, updates: Updates, store: RolloutStore, outbox: Outbox, clock: Clock, every_s: float = LOOK_EVERY_S
    ) -> None:
        self._updates = updates
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._every_s = every_s

    async def watch(self) -> None:
        """For ever; what cannot be looked at now is looked at the next time."""
        while True:
            begun_us = self._clock.now_us()
            try:
                await self.look()
            except DissonanceError as error:
                log(_logger, LogAction.ROLLOUT_NOT_LOOKED_AT, logging.WARNING, why=str(error))
            looked_s = (self._clock.now_us() - begun_us) / 1e6
            await asyncio.sleep(max(self._every_s, min(REST_SHARE * looked_s, LONGEST_REST_S)))

    async def look(self) -> None:
        """Raises what the first rollout that cannot be looked at raises, after all others were."""
        failed: DissonanceError | None = None
        looked_at = [*await self._store.live_rollouts(), *await self._store.untold_rollouts(self._clock.now_us())]
        for task_id in dict.fromkeys(rollout.task_id for rollout in looked_at):
            try:
                await self._outbox.publish(await self._updates.advance(task_id))
            except DissonanceError as error:
                failed = failed or error
        if failed is not None:
            raise failed
