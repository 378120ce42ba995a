"""Retention by policy: what is older than a task keeps is dropped, and the store counts what it drops (design 6.6)."""

from __future__ import annotations

import asyncio
import logging

from dissonance.contracts.policy import Policy
from dissonance.errors import EngineError, UnknownTask
from dissonance.ports.clock import Clock
from dissonance.ports.store import Store
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

DAY_US = 86_400_000_000
EVERY_S = 3_600.0
IDEMPOTENCY_DAYS = 1
"""A client that tries again a day later gets a new answer."""

_logger = logging.getLogger(__name__)


def oldest_kept_us(policy: Policy, now_us: int) -> int:
    """Rows processed before this time are dropped.

    >>> oldest_kept_us(Policy(retention_days=1), DAY_US)
    0
    """
    return now_us - policy.retention_days * DAY_US


class Housekeeping:
    def __init__(self, store: Store, clock: Clock, *, every_s: float = EVERY_S) -> None:
        self._store = store
        self._clock = clock
        self._every_s = every_s

    async def run(self) -> None:
        """Sweep now and every hour, for ever; when the database is away or refuses, the next hour does it."""
        while True:
            try:
                await self.sweep()
            except EngineError as error:
                log(_logger, LogAction.ENGINE_UNREACHABLE, logging.WARNING, why=error.what)
            await asyncio.sleep(self._every_s)

    async def sweep(self) -> int:
        """Returns how many experiences were dropped. Safe to run on several replicas at once."""
        now_us = self._clock.now_us()
        dropped = 0
        for task in await self._store.all():
            try:
                policy = await self._store.policy(task.task_id)
            except UnknownTask:  # deleted since the tasks were listed, and its rows with it
                continue
            count = await self._store.retain(task.task_id, oldest_kept_us(policy, now_us))
            if count:
                log(_logger, LogAction.RETENTION_APPLIED, task=task.name, rows=count)
            dropped += count
        await self._store.forget_idempotency(now_us - IDEMPOTENCY_DAYS * DAY_US)
        return dropped
