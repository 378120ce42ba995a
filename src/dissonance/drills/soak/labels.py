"""Labels of the soak: people answer what they are asked, and a share of all rows gets its label unasked, a day late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from dissonance.contracts.api import Label, LabelsReply
from dissonance.contracts.label_api import LeaseReply
from dissonance.contracts.times import to_text
from dissonance.drills.demo.people import AsksPeople
from dissonance.drills.soak.traffic import DAY_US
from dissonance.errors import UnknownPrediction

EVERY = 100
"""Every so manieth row gets a label that nobody asked for."""

DELAY_US = DAY_US
SOURCE = "soak"
LOOK_EVERY_S = 0.5
SENT_AT_ONCE = 100


class TakesLabels(Protocol):
    """What late labels need of a `DissonanceClient`."""

    async def labels(self, task: str, labels: Sequence[Label], source: str) -> LabelsReply: ...


class Noted:
    """A client for people that notes which predictions got a label: two labels of one prediction are one to join."""

    def __init__(self, client: AsksPeople) -> None:
        self.labelled: set[str] = set()
        self._client = client

    async def lease(self, task: str, count: int) -> LeaseReply:
        return await self._client.lease(task, count)

    async def labels(self, task: str, labels: Sequence[Label], source: str) -> LabelsReply:
        reply = await self._client.labels(task, labels, source)
        self.labelled.update(label.prediction_id for label in labels if label.prediction_id is not None)
        return reply

    async def answer(self, task: str, request_id: str, label: int, labelled_at: str) -> None:
        await self._client.answer(task, request_id, label, labelled_at)


class _Due(NamedTuple):
    due_us: int
    label: Label


class LateLabels:
    """`positions`: row of each acknowledged prediction, growing; `times_us`, `labels` (n,): of the rows."""

    def __init__(
        self,
        client: TakesLabels,
        task: str,
        positions: Mapping[str, int],
        times_us: npt.NDArray[np.int64],
        labels: npt.NDArray[np.int64],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._task = task
        self._positions = positions
        self._times_us = times_us
        self._labels = labels
        self._sleep = sleep
        self._seen = 0
        self._due: list[_Due] = []

    async def run(self, now_us: Callable[[], int]) -> None:
        """Until cancelled. `now_us`: where event time is."""
        while True:
            await self.send(now_us())
            await self._sleep(LOOK_EVERY_S)

    async def finish(self) -> None:
        """Send what is left, however young."""
        await self.send(None)

    async def send(self, now_us: int | None) -> None:
        """What is due by `now_us`, or everything (None). What is not stored yet is sent again the next time."""
        self._collect()
        due = [each for each in self._due if now_us is None or each.due_us <= now_us]
        for start in range(0, len(due), SENT_AT_ONCE):
            part = due[start : start + SENT_AT_ONCE]
            try:
                await self._client.labels(self._task, [each.label for each in part], SOURCE)
            except UnknownPrediction:
                if now_us is None:
                    raise
                return
            del self._due[: len(part)]

    def _collect(self) -> None:
        fresh = islice(self._positions.items(), self._seen, None)
        chosen = [(position, name) for name, position in fresh if position % EVERY == 0]
        self._seen = len(self._positions)
        for position, name in chosen:
            due_us = int(self._times_us[position]) + DELAY_US
            self._due.append(_Due(due_us, Label(name, int(self._labels[position]), to_text(due_us))))
        self._due.sort(key=lambda each: each.due_us)
