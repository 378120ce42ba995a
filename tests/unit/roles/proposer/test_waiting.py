"""Waiting for rows to be stored: told by events, and honest when the time is up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.events import Experienced, Judged
from dissonance.errors import EngineUnavailable, TimedOut
from dissonance.roles.proposer.waiting import Stored
from support.events import T0_US
from support.store import RowMaker, with_task
from support.worker import until


class Waiting:
    def __init__(self) -> None:
        self.make = RowMaker("waiting")
        self.store = MemoryStore(self.make.clock)
        self.bus = MemoryBus(self.make.clock)
        self.stored = Stored(self.bus, self.store)

    async def listens(self) -> None:
        await until(lambda: bool(self.bus.broker.watchers))

    async def tell(self, event: Judged) -> None:
        """That these rows are stored; whether they are is another matter."""
        experienced = Experienced(
            event_id=event.event_id,
            task_id=event.task_id,
            produced_at_us=T0_US,
            producer="learner",
            prediction_ids=event.prediction_ids,
            event_times_us=event.event_times_us,
            first_stored=event.rows,
        )
        await self.bus.publish([experienced])


def told(story: Callable[[Waiting, Judged], Awaitable[None]]) -> None:
    async def run() -> None:
        waiting = Waiting()
        await story(waiting, waiting.make.judged(await with_task(waiting.store, waiting.make), 3))

    asyncio.run(run())


def test_rows_that_are_stored_already_are_not_waited_for() -> None:
    async def story(waiting: Waiting, event: Judged) -> None:
        await waiting.store.record([event])
        await waiting.stored(event.task_id, event.prediction_ids)
        assert waiting.bus.broker.watchers == []

    told(story)


def test_rows_that_come_in_several_messages_are_all_waited_for() -> None:
    async def story(waiting: Waiting, event: Judged) -> None:
        more = waiting.make.judged(event.task_id, 2)
        ids = [*event.prediction_ids, *more.prediction_ids]
        asked = asyncio.create_task(waiting.stored(event.task_id, ids, limit_s=10.0))
        await waiting.listens()
        await waiting.tell(event)
        await asyncio.sleep(0.02)
        assert not asked.done()
        await waiting.tell(more)
        await asked

    told(story)


def test_rows_of_another_task_are_not_those_that_are_waited_for() -> None:
    async def story(waiting: Waiting, event: Judged) -> None:
        asked = asyncio.create_task(waiting.stored(event.task_id, event.prediction_ids, limit_s=0.1))
        await waiting.listens()
        await waiting.tell(msgspec.structs.replace(event, task_id="e" * 32))
        with pytest.raises(TimedOut, match="3 rows"):
            await asked

    told(story)


def test_when_the_time_is_up_the_rows_that_are_missing_are_counted() -> None:
    async def story(waiting: Waiting, event: Judged) -> None:
        missing = waiting.make.judged(event.task_id, 2)
        await waiting.store.record([event])
        with pytest.raises(TimedOut) as raised:
            await waiting.stored(event.task_id, [*event.prediction_ids, *missing.prediction_ids], limit_s=0.05)
        assert raised.value.what == "answered and not stored after 0.05 s: 2 rows"
        assert waiting.bus.broker.watchers == []

    told(story)


def test_a_broker_that_is_away_is_no_timeout() -> None:
    async def story(waiting: Waiting, event: Judged) -> None:
        waiting.bus.available = False
        with pytest.raises(EngineUnavailable):
            await waiting.stored(event.task_id, event.prediction_ids)

    told(story)
