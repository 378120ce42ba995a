"""Traffic: rows in order of event time through the HTTP API, several requests in flight, labels late.

The pace is in rows a second, so event time runs at a stated, even acceleration; while an update is being made it is
slowed down, and before a given moment of event time the stream can be held. Nothing here waits in a loop.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from dissonance.contracts.api import Label, LabelsReply, PredictReply, Row
from dissonance.contracts.times import to_text
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.story import Part
from dissonance.errors import TimedOut, UnknownPrediction

ROWS_PER_REQUEST = 200
IN_FLIGHT = 4
LABEL_DELAY_US = 30 * 86_400 * 1_000_000  # event time from an answer to its label
LABELS_PER_REQUEST = 500
HOLD_LIMIT_S = 150.0  # seconds that a held stream waits
LABEL_SOURCE = "demo"
OVERTAKEN_TRIES, OVERTAKEN_S = 60, 0.5
"""Tries, and seconds between them, for labels of rows that are not stored yet."""


class Predicts(Protocol):
    """What the stream asks of a `DissonanceClient`."""

    async def predict(self, task: str, rows: Sequence[Row]) -> PredictReply: ...


class TakesLabels(Protocol):
    async def labels(self, task: str, labels: Sequence[Label], source: str) -> LabelsReply: ...


class Pace:
    """Rows a second, changeable while it runs."""

    def __init__(
        self, rows_per_s: float, now_s: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.rows_per_s = rows_per_s
        self._now_s = now_s
        self._sleep = sleep
        self._next_s = now_s()

    async def take(self, rows: int) -> None:
        """Return when `rows` more may be sent. What was late is not caught up with."""
        wait_s = self._next_s - self._now_s()
        if wait_s > 0:
            await self._sleep(wait_s)
        self._next_s = max(self._next_s, self._now_s()) + rows / self.rows_per_s


class Hold(NamedTuple):
    """The stream waits before `before_us` of event time until `released`."""

    before_us: int
    released: asyncio.Event


class _Owed(NamedTuple):
    due_us: int
    prediction_id: str
    label: int


class Stream:
    """Sends the rows of `part`; `acknowledged` holds the prediction ids that were answered, in no fixed order."""

    def __init__(
        self,
        predict: Predicts,
        label: TakesLabels,
        task: str,
        progress: Progress,
        pace: Pace,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.acknowledged: list[str] = []
        self.requests = 0
        self._predict = predict
        self._label = label
        self._task = task
        self._progress = progress
        self._pace = pace
        self._sleep = sleep
        self._owed: list[_Owed] = []
        self._ripe: list[Label] = []
        self._slots = asyncio.Semaphore(IN_FLIGHT)

    async def run(self, part: Part, hold: Hold) -> None:
        """Send every row and the labels that come meanwhile. Raises what the client raises, or `TimedOut`."""
        async with asyncio.TaskGroup() as tasks:
            for start in range(0, len(part), ROWS_PER_REQUEST):
                end = min(start + ROWS_PER_REQUEST, len(part))
                time_us = int(part.times_us[start])
                if time_us >= hold.before_us:
                    await _released(hold)
                await self._pace.take(end - start)
                await self._slots.acquire()
                tasks.create_task(self._send(part, start, end))
                self._progress.event_time_us = time_us
                for labels in self._due(time_us):
                    await self._slots.acquire()
                    tasks.create_task(self._send_labels(labels))

    async def settle(self) -> None:
        """Send the labels still owed; for when the rows are stored."""
        for labels in self._due(None):
            await self._slots.acquire()
            await self._send_labels(labels)

    async def answers(self, part: Part) -> dict[str, int]:
        """Predict rows whose labels stay with the caller: class by data subject, as fast as it goes."""
        found: dict[str, int] = {}
        for start in range(0, len(part), ROWS_PER_REQUEST):
            rows = part.rows(start, start + ROWS_PER_REQUEST)
            reply = await self._predict.predict(self._task, rows)
            self.requests += 1
            self._acknowledge([prediction.prediction_id for prediction in reply.predictions])
            for row, prediction in zip(rows, reply.predictions, strict=True):
                found[str(row["person"])] = int(prediction.answer)
        return found

    async def _send(self, part: Part, start: int, end: int) -> None:
        try:
            self._progress.rows_sent += end - start
            reply = await self._predict.predict(self._task, part.rows(start, end))
            self.requests += 1
            ids = [prediction.prediction_id for prediction in reply.predictions]
            self._acknowledge(ids)
            times_us, labels = part.times_us[start:end].tolist(), part.labels[start:end].tolist()
            for prediction_id, time_us, label in zip(ids, times_us, labels, strict=True):
                heapq.heappush(self._owed, _Owed(time_us + LABEL_DELAY_US, prediction_id, label))
        finally:
            self._slots.release()

    def _acknowledge(self, prediction_ids: list[str]) -> None:
        self.acknowledged.extend(prediction_ids)
        self._progress.acknowledged = len(self.acknowledged)

    def _due(self, now_us: int | None) -> Iterator[list[Label]]:
        """Labels that have come by `now_us` in full requests, or all that are owed (None)."""
        while self._owed and (now_us is None or self._owed[0].due_us <= now_us):
            owed = heapq.heappop(self._owed)
            self._ripe.append(Label(owed.prediction_id, owed.label, to_text(owed.due_us)))
        while len(self._ripe) >= LABELS_PER_REQUEST or (now_us is None and self._ripe):
            yield self._ripe[:LABELS_PER_REQUEST]
            del self._ripe[:LABELS_PER_REQUEST]

    async def _send_labels(self, labels: list[Label]) -> None:
        try:
            reply = await self._accepted(labels)
            self._progress.labels_sent += reply.accepted
        finally:
            self._slots.release()

    async def _accepted(self, labels: list[Label]) -> LabelsReply:
        """A label may overtake the row it is for, when the store is behind: it is refused then, and sent again."""
        for _ in range(OVERTAKEN_TRIES - 1):
            try:
                return await self._label.labels(self._task, labels, LABEL_SOURCE)
            except UnknownPrediction:
                await self._sleep(OVERTAKEN_S)
        return await self._label.labels(self._task, labels, LABEL_SOURCE)


async def _released(hold: Hold) -> None:
    try:
        await asyncio.wait_for(hold.released.wait(), HOLD_LIMIT_S)
    except TimeoutError as error:
        raise TimedOut(
            f"no update came within {HOLD_LIMIT_S:.0f} s, so there is nothing to show after it",
            where="demo",
            fix="read the logs beside the report: was the fall not seen, or is the machine too busy?",
        ) from error
