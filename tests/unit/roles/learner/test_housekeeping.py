"""The learner's sweep: each task by its own policy, day-old idempotency keys, and an away database outlived."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.errors import EngineUnavailable
from dissonance.ports.store import Counts, IdempotentAnswer
from dissonance.roles.learner.housekeeping import DAY_US, Housekeeping, oldest_kept_us
from support.store import RowMaker
from support.worker import until

DAY_S = 86_400


async def task_with_rows(store: MemoryStore, make: RowMaker, retention_days: int, rows: int) -> Task:
    task = make.task()
    await store.create(task, Policy(retention_days=retention_days))
    await store.record([make.judged(task.task_id, rows)])
    return task


def test_each_task_keeps_its_rows_as_long_as_its_policy_says() -> None:
    async def story() -> None:
        make = RowMaker("housekeeping")
        store = MemoryStore(make.clock)
        brief = await task_with_rows(store, make, 1, 3)
        lasting = await task_with_rows(store, make, 30, 5)
        housekeeping = Housekeeping(store, make.clock)
        assert await housekeeping.sweep() == 0
        make.clock.advance(2 * DAY_S)
        assert await housekeeping.sweep() == 3
        assert await housekeeping.sweep() == 0
        assert await store.counts(brief.task_id) == Counts(0, 0, 0)
        assert await store.dropped_by_retention(brief.task_id) == 3
        assert await store.counts(lasting.task_id) == Counts(5, 0, 0)
        assert await store.dropped_by_retention(lasting.task_id) == 0

    asyncio.run(story())


def test_idempotency_keys_are_forgotten_after_a_day() -> None:
    async def story() -> None:
        make = RowMaker("keys")
        store = MemoryStore(make.clock)
        task = await task_with_rows(store, make, 365, 1)
        answer = IdempotentAnswer(b"k" * 32, b"b" * 32, b"answer")
        await store.reserve(task.task_id, [answer], make.clock.now_us())
        make.clock.advance(DAY_S)
        await Housekeeping(store, make.clock).sweep()
        assert await store.reserve(task.task_id, [answer], make.clock.now_us()) == {answer.key_hash: answer}
        make.clock.advance(1)
        await Housekeeping(store, make.clock).sweep()
        assert await store.reserve(task.task_id, [answer], make.clock.now_us()) == {}

    asyncio.run(story())


class AwayStore(MemoryStore):
    """Away for its first call."""

    calls = 0

    async def all(self) -> list[Task]:
        self.calls += 1
        if self.calls == 1:
            raise EngineUnavailable("away", where="PostgreSQL", fix="wait")
        return await super().all()


def test_while_the_database_is_away_the_sweep_is_left_to_the_next_round() -> None:
    async def story() -> None:
        store = AwayStore(FixedClock())
        running = asyncio.create_task(Housekeeping(store, FixedClock(), every_s=0.005).run())
        await until(lambda: store.calls >= 3)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(story())


def test_a_task_deleted_while_the_sweep_goes_on_ends_neither_the_sweep_nor_the_process() -> None:
    class Listing(MemoryStore):
        """Lists tasks as they were a moment ago."""

        async def all(self) -> list[Task]:
            listed = await super().all()
            await self.delete(listed[0].task_id)
            return listed

    async def story() -> None:
        make = RowMaker("deleted")
        store = Listing(make.clock)
        await task_with_rows(store, make, 1, 3)
        await task_with_rows(store, make, 1, 5)
        make.clock.advance(2 * DAY_S)
        assert await Housekeeping(store, make.clock).sweep() == 5

    asyncio.run(story())


@pytest.mark.parametrize(("days", "oldest_us"), [(1, 9 * DAY_US), (10, 0), (11, -DAY_US)])
def test_the_oldest_time_that_is_kept_is_so_many_days_ago(days: int, oldest_us: int) -> None:
    assert oldest_kept_us(Policy(retention_days=days), 10 * DAY_US) == oldest_us
