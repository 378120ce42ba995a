"""Adaptive batches: whatever is queued is taken at once; nothing waits for a batch to fill.

While one batch is being made durable the next one is filled. (The idea of Clipper's adaptive batching, Crankshaw et
al., NSDI 2017, without its delay.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from dissonance.errors import EngineUnavailable
from dissonance.roles.proposer.decide import how_many_fit

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCHES_IN_FLIGHT = 1
"""With two, batches are half as large, and each costs the database and the broker as much: about a quarter fewer
cycles a second (seen with `dissonance drill bench-cycle`, both ways in turn)."""

MAX_WAITING_ROWS = 50_000


class _Slot(NamedTuple, Generic[Item, Result]):
    item: Item
    rows: int
    assigned: asyncio.Future[tuple[asyncio.Task[list[Result]], int]]


class Batcher(Generic[Item, Result]):
    """`work` gets the items of a batch and returns one result each, in order; what it raises, all of them get."""

    def __init__(self, work: Callable[[list[Item]], Awaitable[list[Result]]]) -> None:
        self._work = work
        self._queue: deque[_Slot[Item, Result]] = deque()
        self._waiting_rows = 0
        self._in_flight: set[asyncio.Task[list[Result]]] = set()
        self._stopping = False

    async def submit(self, item: Item, rows: int) -> Result:
        """Raises `EngineUnavailable` when stopping or when too many rows wait already."""
        if self._stopping or (self._queue and self._waiting_rows + rows > MAX_WAITING_ROWS):
            raise EngineUnavailable(
                "the proposer is stopping" if self._stopping else f"{self._waiting_rows} rows are waiting",
                where="proposer",
                fix="ask again after the seconds in Retry-After, with the same Idempotency-Key",
            )
        slot = _Slot[Item, Result](item, rows, asyncio.get_running_loop().create_future())
        self._queue.append(slot)
        self._waiting_rows += rows
        if len(self._queue) == 1:
            asyncio.get_running_loop().call_soon(self._start)
        batch, position = await slot.assigned
        return (await asyncio.shield(batch))[position]

    async def drain(self) -> None:
        """Take nothing new; return when all that was taken is answered."""
        self._stopping = True
        while self._queue or self._in_flight:
            await asyncio.wait(self._in_flight) if self._in_flight else await asyncio.sleep(0)

    def _start(self) -> None:
        while self._queue and len(self._in_flight) < BATCHES_IN_FLIGHT:
            count = how_many_fit([slot.rows for slot in self._queue])
            slots = [self._queue.popleft() for _ in range(count)]
            self._waiting_rows -= sum(slot.rows for slot in slots)
            wanted = [slot for slot in slots if not slot.assigned.done()]
            if not wanted:
                continue
            batch = asyncio.ensure_future(self._run([slot.item for slot in wanted]))
            self._in_flight.add(batch)
            batch.add_done_callback(self._finish)
            for position, slot in enumerate(wanted):
                slot.assigned.set_result((batch, position))

    async def _run(self, items: list[Item]) -> list[Result]:
        return await self._work(items)

    def _finish(self, batch: asyncio.Task[list[Result]]) -> None:
        self._in_flight.discard(batch)
        self._start()
