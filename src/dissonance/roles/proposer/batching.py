"""Adaptive batches: whatever is queued is taken at once; nothing waits for a batch to fill.

While batches are being made durable the next one is filled. (The idea of Clipper's adaptive batching, Crankshaw et
al., NSDI 2017, without its delay.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from dissonance.errors import EngineUnavailable, Overloaded
from dissonance.roles.proposer.decide import how_many_fit

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCHES_IN_FLIGHT = 1
"""With two, batches are half as large, and what a batch costs is paid twice (ADR 35)."""

MAX_WAITING_ROWS = 20_000
AGAIN = "ask again after the seconds in Retry-After, with the same Idempotency-Key"


OnResult = Callable[[Result | BaseException], None]
"""Gets a result, or what was raised in its place; raises nothing itself."""


class Slot(Generic[Item, Result]):
    """An item that waits. `on_result` is None when nobody waits for it any more."""

    __slots__ = ("item", "on_result", "rows")

    def __init__(self, item: Item, rows: int, on_result: OnResult[Result]) -> None:
        self.item = item
        self.rows = rows
        self.on_result: OnResult[Result] | None = on_result


class Batcher(Generic[Item, Result]):
    """`work` gets the items of a batch and returns one result each, in order; what it raises, all of them get."""

    def __init__(
        self, work: Callable[[list[Item]], Awaitable[list[Result]]], *, in_flight: int = BATCHES_IN_FLIGHT
    ) -> None:
        self._work = work
        self._most_in_flight = in_flight
        self._queue: deque[Slot[Item, Result]] = deque()
        self._waiting_rows = 0
        self._in_flight: set[asyncio.Task[list[Result]]] = set()
        self._scheduled = False
        self._stopping = False

    async def submit(self, item: Item, rows: int) -> Result:
        """Raises as `put` does, and what was raised in place of the result."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        slot = self.put(item, rows, partial(_settle, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            slot.on_result = None
            raise

    def put(self, item: Item, rows: int, on_result: OnResult[Result]) -> Slot[Item, Result]:
        """Into the next batch; `on_result` is called when that is done.

        Raises `EngineUnavailable` when stopping, `Overloaded` when too many rows wait already.
        """
        if self._stopping:
            raise _stopping()
        if self._queue and self._waiting_rows + rows > MAX_WAITING_ROWS:
            raise Overloaded(f"{self._waiting_rows} rows are waiting", where="proposer", fix=AGAIN)
        slot: Slot[Item, Result] = Slot(item, rows, on_result)
        self._queue.append(slot)
        self._waiting_rows += rows
        if not self._scheduled:
            # After whatever else this round of the loop has read: requests that came together go together.
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._start)
        return slot

    async def drain(self) -> None:
        """Take nothing new; return when all that was taken is answered."""
        self._stopping = True
        while self._queue or self._in_flight:
            await asyncio.wait(self._in_flight) if self._in_flight else await asyncio.sleep(0)

    def _start(self) -> None:
        self._scheduled = False
        while self._queue and len(self._in_flight) < self._most_in_flight:
            count = how_many_fit([slot.rows for slot in self._queue])
            slots = [self._queue.popleft() for _ in range(count)]
            self._waiting_rows -= sum(slot.rows for slot in slots)
            wanted = [slot for slot in slots if slot.on_result is not None]
            if wanted:
                batch = asyncio.ensure_future(self._run([slot.item for slot in wanted]))
                self._in_flight.add(batch)
                batch.add_done_callback(partial(self._finish, wanted))

    async def _run(self, items: list[Item]) -> list[Result]:
        return await self._work(items)

    def _finish(self, slots: list[Slot[Item, Result]], batch: asyncio.Task[list[Result]]) -> None:
        self._in_flight.discard(batch)
        results: Sequence[Result | BaseException]
        if batch.cancelled():
            results = [_stopping()] * len(slots)
        elif (error := batch.exception()) is not None:
            results = [error] * len(slots)
        else:
            results = batch.result()
        for slot, result in zip(slots, results, strict=True):
            if slot.on_result is not None:
                slot.on_result(result)
        self._start()


def _settle(answer: asyncio.Future[Result], result: Result | BaseException) -> None:
    if answer.done():
        return  # whoever waited for it has left
    if isinstance(result, BaseException):
        answer.set_exception(result)
    else:
        answer.set_result(result)


def _stopping() -> EngineUnavailable:
    return EngineUnavailable("the proposer is stopping", where="proposer", fix=AGAIN)
