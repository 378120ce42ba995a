"""The people who label: they take what the system asks for, think for some days of event time, and answer truly.

They answer nothing that was not asked for, so the budget of the policy is what the labels cost.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from dissonance.contracts.api import Label, LabelsReply
from dissonance.contracts.label_api import LeasedRequest, LeaseReply
from dissonance.contracts.times import to_text, to_us
from dissonance.drills.demo.progress import Progress
from dissonance.ports.labels import AskedAs

DAY_US = 86_400 * 1_000_000
DELAY_US = 8 * DAY_US  # event time from an input to the answer about it
LOOK_EVERY_S = 0.25
LEASED_AT_ONCE = 200
ANSWERED_AT_ONCE = 100
SOURCE = "demo"


class AsksPeople(Protocol):
    """What people need of a `DissonanceClient`."""

    async def lease(self, task: str, count: int) -> LeaseReply: ...

    async def labels(self, task: str, labels: Sequence[Label], source: str) -> LabelsReply: ...

    async def answer(self, task: str, request_id: str, label: int, labelled_at: str) -> None: ...


class _Due(NamedTuple):
    due_us: int
    request_id: str
    prediction_id: str
    asked_as: str
    label: int


class People:
    """`truth` gives the label of a prediction id; `asked` counts requests by why they were asked; an answer takes
    `delay_us` of event time."""

    def __init__(
        self,
        client: AsksPeople,
        task: str,
        truth: Callable[[str], int],
        progress: Progress,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        delay_us: int = DELAY_US,
    ) -> None:
        self.asked: dict[str, int] = {}
        self._client = client
        self._task = task
        self._truth = truth
        self._progress = progress
        self._sleep = sleep
        self._delay_us = delay_us
        self._due: list[_Due] = []
        self._stopped = False

    async def run(self) -> None:
        """Until `stop`. To cancel it instead may lose what was taken or answered just then, and its count."""
        while not self._stopped:
            await self._lease()
            await self._answer(self._progress.event_time_us)
            await self._sleep(LOOK_EVERY_S)

    def stop(self) -> None:
        """`run` ends when what it has begun is done."""
        self._stopped = True

    async def finish(self) -> None:
        """Take and answer what is still open, however young; answers may bring second looks, which are answered too."""
        while await self._lease() or self._due:
            await self._answer(None)
            await self._sleep(LOOK_EVERY_S)

    def overdue(self, now_us: int) -> int:
        """Answers that people owe since a day of event time or longer."""
        return sum(due.due_us < now_us - DAY_US for due in self._due)

    async def _lease(self) -> int:
        taken = (await self._client.lease(self._task, LEASED_AT_ONCE)).requests
        for request in taken:
            self.asked[request.asked_as] = self.asked.get(request.asked_as, 0) + 1
            heapq.heappush(self._due, self._think(request))
        self._progress.labels_asked += len(taken)
        return len(taken)

    def _think(self, request: LeasedRequest) -> _Due:
        due_us = to_us(request.event_time, "event_time") + self._delay_us
        label = self._truth(request.prediction_id)
        return _Due(due_us, request.request_id, request.prediction_id, request.asked_as, label)

    async def _answer(self, now_us: int | None) -> None:
        """What is due by `now_us`, or everything (None): second looks one by one, the rest together."""
        labels: list[Label] = []
        while self._due and (now_us is None or self._due[0].due_us <= now_us):
            due = heapq.heappop(self._due)
            at = to_text(due.due_us)
            if due.asked_as == AskedAs.SECOND_LOOK:
                await self._client.answer(self._task, due.request_id, due.label, at)
            else:
                labels.append(Label(due.prediction_id, due.label, at))
        for start in range(0, len(labels), ANSWERED_AT_ONCE):
            await self._client.labels(self._task, labels[start : start + ANSWERED_AT_ONCE], SOURCE)
        self._progress.labels_sent += len(labels)


def truth_of(positions: Mapping[str, int], labels: Sequence[int]) -> Callable[[str], int]:
    """The label of the row that each prediction id is of."""
    return lambda prediction_id: int(labels[positions[prediction_id]])
