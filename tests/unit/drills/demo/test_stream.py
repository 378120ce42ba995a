"""Traffic of the demo: in order of event time, at a pace, stopped while anybody holds the brake."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from dissonance.contracts.api import Prediction, PredictReply, Row
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.story import PERSON, Part, Span
from dissonance.drills.demo.stream import IN_FLIGHT, ROWS_PER_REQUEST, UNANSWERED, Brake, Pace, Stream
from dissonance.errors import EngineUnavailable

DAY_US = 86_400_000_000
ROWS = 1_000


class Service:
    """Answers every row with the last digit of its person, under the person's name as id."""

    def __init__(self, *, fail_at: str = "") -> None:
        self.people: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._fail_at = fail_at

    async def predict(self, task: str, rows: Sequence[Row]) -> PredictReply:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        for _ in range(10):  # slower than the stream, so that requests are in flight together
            await asyncio.sleep(0)
        self._at_once -= 1
        people = [str(row[PERSON]) for row in rows]
        if self._fail_at in people:
            raise EngineUnavailable("away", where="test", fix="none")
        self.people += people
        predictions = [
            Prediction(prediction_id=name, answer=int(name[-1]), probabilities=[0.5, 0.5]) for name in people
        ]
        return PredictReply(task, 3, "digest", [0, 1], predictions)


def part() -> Part:
    return Part(
        frame=pd.DataFrame({PERSON: [f"p{number}" for number in range(ROWS)]}),
        times_us=np.arange(ROWS, dtype=np.int64) * DAY_US,
        labels=np.zeros(ROWS, dtype=np.int64),
        group_quarters=np.zeros(ROWS, dtype=bool),
    )


async def no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


def stream_on(service: Service, brake: Brake, progress: Progress) -> Stream:
    return Stream(service, "task", part(), progress, Pace(1e9, lambda: 0.0, sleep=no_sleep), brake)


def test_every_row_is_sent_once_and_its_answer_kept_at_its_place() -> None:
    async def scenario() -> tuple[Service, Stream, Progress]:
        service, progress = Service(), Progress(lambda: 0.0, ROWS)
        stream = stream_on(service, Brake(), progress)
        assert (stream.answers == UNANSWERED).all()
        await stream.run()
        return service, stream, progress

    service, stream, progress = asyncio.run(scenario())
    assert sorted(service.people) == sorted(part().frame[PERSON])
    assert stream.answers.tolist() == [number % 10 for number in range(ROWS)]
    assert stream.positions == {f"p{number}": number for number in range(ROWS)}
    assert stream.requests == ROWS // ROWS_PER_REQUEST
    assert service.most_at_once == IN_FLIGHT
    assert (progress.rows_sent, progress.acknowledged) == (ROWS, ROWS)


def test_stream_stands_still_until_the_last_who_holds_the_brake_lets_go() -> None:
    async def scenario() -> list[int]:
        service, brake = Service(), Brake()
        stream = stream_on(service, brake, Progress(lambda: 0.0, ROWS))
        brake.hold("a model is being made")
        brake.hold("somebody is meddling")
        running = asyncio.create_task(stream.run())
        sent = []
        for let_go in ("a model is being made", "somebody is meddling"):
            await asyncio.sleep(0.01)
            sent.append(len(service.people))
            brake.release(let_go)
        await running
        assert brake.held == frozenset()
        return [*sent, len(service.people)]

    assert asyncio.run(scenario()) == [0, 0, ROWS]


def test_failure_of_a_request_ends_the_stream() -> None:
    async def scenario() -> None:
        await stream_on(Service(fail_at="p123"), Brake(), Progress(lambda: 0.0, ROWS)).run()

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(scenario())
    assert caught.group_contains(EngineUnavailable)


def test_pace_gives_the_rows_their_seconds_slows_down_in_a_span_and_does_not_catch_up() -> None:
    now_s, slept = [10.0], list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now_s[0] += seconds

    async def scenario() -> None:
        pace = Pace(100.0, lambda: now_s[0], [Span(DAY_US, 2 * DAY_US)], 25.0, sleep)
        await pace.take(50, 0)
        await pace.take(50, 0)
        now_s[0] += 60.0
        await pace.take(50, DAY_US)
        await pace.take(50, 2 * DAY_US)

    asyncio.run(scenario())
    assert slept == [0.5, 2.0]


def test_pace_makes_up_for_what_was_late_only_as_far_as_it_is_told() -> None:
    clock = {"now_s": 0.0}
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        clock["now_s"] += seconds

    async def story(pace: Pace) -> None:
        await pace.take(10, 0)
        clock["now_s"] += 4.0
        for _ in range(4):
            await pace.take(10, 0)

    asyncio.run(story(Pace(10.0, lambda: clock["now_s"], sleep=wait)))
    without = list(waits)
    waits.clear()
    clock["now_s"] = 0.0
    asyncio.run(story(Pace(10.0, lambda: clock["now_s"], sleep=wait, catch_up_s=2.0)))

    assert without == [1.0, 1.0, 1.0]
    assert waits == [1.0]
