from __future__ import annotations

import asyncio

import pytest

from dissonance.errors import EngineUnavailable, Overloaded
from dissonance.roles.proposer.batching import MAX_WAITING_ROWS, Batcher


class Work:
    """Records the batches it gets; holds each until `go` is set."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()

    async def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        await self.go.wait()
        return [item * 10 for item in items]


def test_a_lone_item_is_a_batch_of_one() -> None:
    async def story() -> None:
        work = Work()
        work.go.set()
        assert await Batcher(work).submit(4, 1) == 40
        assert work.batches == [[4]]

    asyncio.run(story())


def test_what_waits_while_a_batch_is_in_flight_becomes_one_batch() -> None:
    async def story() -> None:
        work = Work()
        batcher = Batcher(work, in_flight=1)
        asked = []
        for item in range(6):
            asked.append(asyncio.create_task(batcher.submit(item, 1)))
            await asyncio.sleep(0.01)
        work.go.set()
        assert await asyncio.gather(*asked) == [0, 10, 20, 30, 40, 50]
        assert work.batches == [[0], [1, 2, 3, 4, 5]]

    asyncio.run(story())


def test_a_failing_batch_fails_each_of_its_items_and_no_other() -> None:
    async def refuse_odd(items: list[int]) -> list[int]:
        if items[0] % 2:
            raise EngineUnavailable("away")
        return items

    async def story() -> None:
        batcher = Batcher(refuse_odd)
        with pytest.raises(EngineUnavailable):
            await batcher.submit(1, 1)
        assert await batcher.submit(2, 1) == 2

    asyncio.run(story())


def test_a_client_that_leaves_takes_no_answer_from_the_others() -> None:
    async def story() -> None:
        work = Work()
        batcher = Batcher(work)
        leaving, staying = (asyncio.create_task(batcher.submit(item, 1)) for item in (1, 2))
        await asyncio.sleep(0.01)
        leaving.cancel()
        work.go.set()
        assert await staying == 20

    asyncio.run(story())


def test_too_many_waiting_rows_are_turned_away() -> None:
    async def story() -> None:
        batcher = Batcher(Work(), in_flight=1)
        waiting = []
        for item in range(2):
            waiting.append(asyncio.create_task(batcher.submit(item, MAX_WAITING_ROWS)))
            await asyncio.sleep(0.01)
        with pytest.raises(Overloaded):
            await batcher.submit(9, 1)
        for task in waiting:
            task.cancel()

    asyncio.run(story())


def test_requests_that_came_in_the_same_round_go_in_the_same_batch() -> None:
    async def story() -> None:
        work = Work()
        work.go.set()
        batcher = Batcher(work)
        assert await asyncio.gather(*(batcher.submit(item, 1) for item in range(5))) == [0, 10, 20, 30, 40]
        assert work.batches == [[0, 1, 2, 3, 4]]

    asyncio.run(story())


def test_no_more_batches_are_in_flight_than_may_be() -> None:
    async def story() -> None:
        work = Work()
        batcher = Batcher(work, in_flight=2)
        asked = []
        for item in range(5):
            asked.append(asyncio.create_task(batcher.submit(item, 1)))
            await asyncio.sleep(0.01)
        assert work.batches == [[0], [1]]
        work.go.set()
        await asyncio.gather(*asked)
        assert work.batches[2] == [2, 3, 4]

    asyncio.run(story())


def test_draining_answers_what_was_taken_and_takes_nothing_new() -> None:
    async def story() -> None:
        work = Work()
        batcher = Batcher(work)
        asked = asyncio.create_task(batcher.submit(1, 1))
        await asyncio.sleep(0.01)
        draining = asyncio.create_task(batcher.drain())
        await asyncio.sleep(0)
        with pytest.raises(EngineUnavailable):
            await batcher.submit(2, 1)
        work.go.set()
        await draining
        assert await asked == 10

    asyncio.run(story())


def test_whoever_does_not_wait_is_told_of_its_result_or_of_what_was_raised_in_its_place() -> None:
    async def story() -> None:
        async def refuse_odd(items: list[int]) -> list[int]:
            if items[0] % 2:
                raise EngineUnavailable("away")
            return items

        told: list[int | BaseException] = []
        batcher = Batcher(refuse_odd)
        batcher.put(2, 1, told.append)
        await batcher.submit(4, 1)
        batcher.put(1, 1, told.append)
        with pytest.raises(EngineUnavailable):
            await batcher.submit(3, 1)
        assert told[0] == 2 and isinstance(told[1], EngineUnavailable)

    asyncio.run(story())


def test_a_batch_that_is_cut_short_tells_everybody_to_ask_again() -> None:
    async def story() -> None:
        told: list[int | BaseException] = []
        batcher = Batcher(Work())
        batcher.put(1, 1, told.append)
        await asyncio.sleep(0.01)
        next(iter(batcher._in_flight)).cancel()
        while not told:
            await asyncio.sleep(0)
        assert isinstance(told[0], EngineUnavailable)

    asyncio.run(story())
