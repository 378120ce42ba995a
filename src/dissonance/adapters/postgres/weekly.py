"""Writing rows by prediction id: the weeks they fall in are there first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import psycopg

from dissonance.adapters.postgres import partitions
from dissonance.adapters.postgres.database import Database
from dissonance.adapters.postgres.failures import caused_by
from dissonance.adapters.postgres.part import StorePart
from dissonance.errors import EngineError
from dissonance.ports.clock import Clock

T = TypeVar("T")


class WeeklyPart(StorePart):
    """Knows which weeks have partitions, and makes those that are missing."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._weeks: set[int] = set()

    async def with_weeks(self, prediction_ids: Sequence[bytes], write: Callable[[], Awaitable[T]]) -> T:
        """`write`, with the weeks of these ids there; once more if retention dropped one of them meanwhile."""
        weeks = partitions.weeks_of(prediction_ids)
        await self._make(weeks)
        try:
            return await write()
        except EngineError as error:
            if not caused_by(error, psycopg.errors.CheckViolation):
                raise
        self._weeks -= weeks
        await self._make(weeks)
        return await write()

    async def _make(self, weeks: set[int]) -> None:
        if missing := weeks - self._weeks:
            async with self._database.connection("make partitions") as connection:
                await partitions.make(connection, sorted(missing))
            self._weeks |= missing
