"""Traffic of the demo: in order of event time, at a pace, held when told, labels late and all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from dissonance.contracts.api import Label, LabelsReply, Prediction, PredictReply, Row
from dissonance.contracts.times import to_us
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.story import PERSON, TIME, Part
from dissonance.drills.demo.stream import (
    IN_FLIGHT,
    LABEL_DELAY_US,
    LABELS_PER_REQUEST,
    ROWS_PER_REQUEST,
    Hold,
    Pace,
    Stream,
)
from dissonance.errors import EngineUnavailable, UnknownPrediction

DAY_US = 86_400_000_000
ROWS = 4_000


class Service:
    """Answers every row with 1 under its person's name as id; remembers what came and how much at once."""

    def __init__(self, *, fail_at: str = "", behind: int = 0) -> None:
        self.people: list[str] = []
        self.latest_us = 0
        self.label_lags_us: list[int] = []
        self.labels_seen: dict[str, Label] = {}
        self.label_requests: list[int] = []
        self.most_at_once = 0
        self._at_once = 0
        self._fail_at = fail_at
        self._behind = behind

    async def predict(self, task: str, rows: Sequence[Row]) -> PredictReply:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(0)
        self._at_once -= 1
        people = [str(row[PERSON]) for row in rows]
        if self._fail_at in people:
            raise EngineUnavailable("away", where="test", fix="none")
        self.people += people
        self.latest_us = max(self.latest_us, *(to_us(row[TIME], TIME) for row in rows))
        predictions = [Prediction(prediction_id=name, answer=1, probabilities=[0.0, 1.0]) for name in people]
        return PredictReply(task, 1, "digest", [0, 1], predictions)

    async def labels(self, task: str, labels: Sequence[Label], source: str) -> LabelsReply:
        if self._behind > 0:
            self._behind -= 1
            raise UnknownPrediction("not stored yet", where="test", fix="send again")
        self.label_requests.append(len(labels))
        for label in labels:
            assert label.prediction_id not in self.labels_seen
            self.labels_seen[label.prediction_id] = label
            assert label.labelled_at is not None
            self.label_lags_us.append(self.latest_us - to_us(label.labelled_at, "labelled_at"))
        return LabelsReply(task, len(labels))


def part(rows: int = ROWS) -> Part:
    return Part(
        frame=pd.DataFrame({PERSON: [f"p{number}" for number in range(rows)]}),
        times_us=np.arange(rows, dtype=np.int64) * (DAY_US // 20),
        labels=np.arange(rows) % 2,
        group_quarters=np.zeros(rows, dtype=bool),
    )


def stream_on(service: Service) -> Stream:
    progress = Progress(lambda: 0.0, ROWS)
    return Stream(service, service, "task", progress, Pace(1e9, lambda: 0.0), no_sleep)


async def no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


async def whole(stream: Stream, rows: Part) -> None:
    await stream.run(rows, released_hold())
    await stream.settle()


def released_hold(before_us: int = 2**62) -> Hold:
    released = asyncio.Event()
    released.set()
    return Hold(before_us, released)


def test_every_row_is_sent_once_and_every_label_follows_its_row() -> None:
    service = Service()
    stream = stream_on(service)
    asyncio.run(whole(stream, part()))
    assert sorted(service.people) == sorted(part().frame[PERSON]) == sorted(stream.acknowledged)
    assert {name: label.label for name, label in service.labels_seen.items()} == dict(
        zip(part().frame[PERSON], part().labels.tolist(), strict=True)
    )
    assert stream.requests == ROWS / ROWS_PER_REQUEST
    assert service.most_at_once <= IN_FLIGHT


def test_no_label_comes_before_the_stream_is_a_delay_further() -> None:
    service = Service()
    stream = stream_on(service)
    asyncio.run(stream.run(part(), released_hold()))
    rows_in_a_delay = LABEL_DELAY_US // (DAY_US // 20)
    assert min(service.label_lags_us) >= 0
    assert ROWS - rows_in_a_delay - 2 * LABELS_PER_REQUEST <= len(service.labels_seen) <= ROWS - rows_in_a_delay
    assert set(service.label_requests) == {LABELS_PER_REQUEST}
    asyncio.run(stream.settle())
    assert len(service.labels_seen) == ROWS


def test_labels_that_overtook_their_rows_are_sent_again() -> None:
    service = Service(behind=5)
    asyncio.run(whole(stream_on(service), part()))
    assert len(service.labels_seen) == ROWS


def test_labels_of_rows_that_never_come_end_the_stream() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(whole(stream_on(Service(behind=10_000)), part()))
    assert caught.group_contains(UnknownPrediction)


def test_stream_waits_before_the_moment_it_is_held_at_and_goes_on_when_released() -> None:
    service = Service()
    stream = stream_on(service)
    before_us = 100 * DAY_US

    async def scenario() -> int:
        released = asyncio.Event()
        running = asyncio.create_task(stream.run(part(), Hold(before_us, released)))
        for _ in range(200):
            await asyncio.sleep(0)
        held_at = len(service.people)
        released.set()
        await running
        return held_at

    assert asyncio.run(scenario()) == 2_000
    assert len(service.people) == ROWS


def test_failure_of_a_request_ends_the_stream() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(stream_on(Service(fail_at="p1234")).run(part(), released_hold()))
    assert caught.group_contains(EngineUnavailable)


def test_answers_are_by_person_and_owe_no_labels() -> None:
    service = Service()
    stream = stream_on(service)
    answers = asyncio.run(stream.answers(part(450)))
    assert answers == {f"p{number}": 1 for number in range(450)}
    assert len(stream.acknowledged) == 450 and stream.requests == 3
    asyncio.run(whole(stream, part(0)))
    assert service.labels_seen == {}


def test_pace_gives_the_rows_their_seconds_and_does_not_catch_up() -> None:
    now_s, slept = [10.0], list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now_s[0] += seconds

    async def scenario() -> None:
        pace = Pace(100.0, lambda: now_s[0], sleep)
        await pace.take(50)
        await pace.take(50)
        now_s[0] += 60.0
        await pace.take(50)
        pace.rows_per_s = 25.0
        await pace.take(50)
        await pace.take(50)

    asyncio.run(scenario())
    assert slept == [0.5, 0.5, 2.0]
