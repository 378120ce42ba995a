"""Predictions that go on whatever happens to models, at every replica; what came back is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

from dissonance.contracts.api import Label, Row
from dissonance.drills import census
from dissonance.drills.client import DissonanceClient
from dissonance.drills.who_answered.account import Reply
from dissonance.errors import UnknownPrediction

ROWS_PER_REQUEST = 2
DOUBT_EVERY = 2
"""Every so manieth request asks for doubt as well."""

LABELS_AT_ONCE = 500
LOOK_EVERY_S = 0.1


class People(NamedTuple):
    """Rows as the API takes them, each of a person of its own, and their labels."""

    rows: list[Row]
    labels: list[int]


class Stream:
    """`rows_per_s`: of all replicas together."""

    def __init__(self, replicas: list[DissonanceClient], people: People, rows_per_s: float) -> None:
        self.replies: list[Reply] = []
        self._replicas = replicas
        self._people = people
        self._pause_s = ROWS_PER_REQUEST * len(replicas) / rows_per_s
        self._labelled = 0
        self._places = self._endless()

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            for replica in self._replicas:
                tasks.create_task(self._ask_on(replica, stop))

    def answered_by(self, version: int) -> int:
        return sum(reply.version == version for reply in self.replies)

    async def label(self, learner: DissonanceClient) -> int:
        """Everything answered so far that has no label yet; returns how many that were."""
        fresh, self._labelled = self.replies[self._labelled :], len(self.replies)
        for start in range(0, len(fresh), LABELS_AT_ONCE):
            labels = [Label(reply.prediction_id, reply.label) for reply in fresh[start : start + LABELS_AT_ONCE]]
            while not await self._taken(learner, labels):
                await asyncio.sleep(LOOK_EVERY_S)
        return len(fresh)

    @staticmethod
    async def _taken(learner: DissonanceClient, labels: list[Label]) -> bool:
        try:
            await learner.labels(census.TASK, labels, "drill")
        except UnknownPrediction:
            return False  # the learner has not stored them yet
        return True

    async def _ask_on(self, replica: DissonanceClient, stop: asyncio.Event) -> None:
        loop, number = asyncio.get_running_loop(), 0
        while not stop.is_set():
            sent_s, number = loop.time(), number + 1
            places = [next(self._places) for _ in range(ROWS_PER_REQUEST)]
            rows = [self._people.rows[place] for place in places]
            reply = await replica.predict(census.TASK, rows, contradict=number % DOUBT_EVERY == 0)
            got_s = loop.time()
            for place, each in zip(places, reply.predictions, strict=True):
                label = self._people.labels[place]
                answer = (each.prediction_id, reply.model_version, reply.model_digest, each.doubt)
                self.replies.append(Reply(*answer, sent_s, got_s, label))
            await asyncio.sleep(max(0.0, self._pause_s - (loop.time() - sent_s)))

    def _endless(self) -> Iterator[int]:
        while True:
            yield from range(len(self._people.rows))
