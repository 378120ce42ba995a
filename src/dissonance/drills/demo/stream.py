"""Traffic: rows in order of event time through the HTTP API, several requests in flight.

The pace is in rows a second, so event time runs at a stated acceleration, slower where something happens. While a model
is made or judged the stream stands still: at the pace of life, next to no traffic would have come meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dissonance.contracts.api import PredictReply, Row
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.story import Span

ROWS_PER_REQUEST = 40
IN_FLIGHT = 4
UNANSWERED = -1


class Predicts(Protocol):
    """What the stream asks of a `DissonanceClient`."""

    async def predict(self, task: str, rows: Sequence[Row]) -> PredictReply: ...


class Traffic(Protocol):
    """What is sent: n rows in order of event time. `times_us` (n,): microseconds since 1970 UTC."""

    @property
    def times_us(self) -> npt.NDArray[np.int64]: ...

    def __len__(self) -> int: ...

    def rows(self, start: int, end: int) -> list[Row]:
        """Rows `[start, end)` as the HTTP API takes them."""
        ...


class Pace:
    """Rows a second; within some spans of event time fewer."""

    def __init__(
        self,
        rows_per_s: float,
        now_s: Callable[[], float],
        slow: Sequence[Span] = (),
        slow_rows_per_s: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        catch_up_s: float = 0.0,
    ) -> None:
        self._rows_per_s = rows_per_s
        self._now_s = now_s
        self._slow = slow
        self._slow_rows_per_s = slow_rows_per_s
        self._sleep = sleep
        self._catch_up_s = catch_up_s
        self._next_s = now_s()

    async def take(self, rows: int, time_us: int) -> None:
        """Return when `rows` more of this event time may be sent; `catch_up_s` seconds of what was late are made up."""
        wait_s = self._next_s - self._now_s()
        if wait_s > 0:
            await self._sleep(wait_s)
        slow = any(span.start_us <= time_us < span.end_us for span in self._slow)
        rows_per_s = self._slow_rows_per_s if slow else self._rows_per_s
        self._next_s = max(self._next_s, self._now_s() - self._catch_up_s) + rows / rows_per_s


class Brake:
    """Stops the stream while anybody holds it; who holds it says why. `held`: a set of others', in which to say so."""

    def __init__(self, held: set[str] | None = None) -> None:
        self._held = set() if held is None else held
        self._free = asyncio.Event()
        self._free.set()

    def hold(self, why: str) -> None:
        self._held.add(why)
        self._free.clear()

    def release(self, why: str) -> None:
        self._held.discard(why)
        if not self._held:
            self._free.set()

    @property
    def held(self) -> frozenset[str]:
        return frozenset(self._held)

    async def wait(self) -> None:
        """Return when nobody holds it."""
        await self._free.wait()


class Stream:
    """Sends the rows of `part`, each once.

    `answers` (n,): class that each row was answered with, `UNANSWERED` until then; `positions`: row of each prediction
    id that was acknowledged.
    """

    def __init__(
        self, client: Predicts, task: str, part: Traffic, progress: Progress, pace: Pace, brake: Brake
    ) -> None:
        self.answers = np.full(len(part), UNANSWERED, dtype=np.int64)
        self.positions: dict[str, int] = {}
        self.requests = 0
        self._client = client
        self._task = task
        self._part = part
        self._progress = progress
        self._pace = pace
        self._brake = brake
        self._slots = asyncio.Semaphore(IN_FLIGHT)

    async def run(self) -> None:
        """Send every row. Raises what the client raises."""
        async with asyncio.TaskGroup() as tasks:
            for start in range(0, len(self._part), ROWS_PER_REQUEST):
                end = min(start + ROWS_PER_REQUEST, len(self._part))
                await self._brake.wait()
                time_us = int(self._part.times_us[start])
                await self._pace.take(end - start, time_us)
                await self._slots.acquire()
                self._progress.event_time_us = time_us
                tasks.create_task(self._send(start, end))

    async def _send(self, start: int, end: int) -> None:
        try:
            self._progress.rows_sent += end - start
            reply = await self._client.predict(self._task, self._part.rows(start, end))
            self.requests += 1
            for position, prediction in enumerate(reply.predictions, start):
                self.answers[position] = int(prediction.answer)
                self.positions[prediction.prediction_id] = position
            self._progress.acknowledged = len(self.positions)
        finally:
            self._slots.release()
