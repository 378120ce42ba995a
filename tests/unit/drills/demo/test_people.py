"""People answer what they were asked, truly and late, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from dissonance.contracts.api import Label, LabelsReply
from dissonance.contracts.label_api import LeasedRequest, LeaseReply
from dissonance.contracts.times import to_text
from dissonance.drills.demo.people import ANSWERED_AT_ONCE, DELAY_US, People, truth_of
from dissonance.drills.demo.progress import Progress
from dissonance.ports.labels import AskedAs

DAY_US = 86_400_000_000


class Queue:
    """Hands out what is in it once; remembers answers by how they came."""

    def __init__(self, requests: Sequence[LeasedRequest]) -> None:
        self.open = list(requests)
        self.joined: list[Label] = []
        self.looked_again: list[tuple[str, int, str]] = []
        self.most_at_once = 0

    async def lease(self, task: str, count: int) -> LeaseReply:
        taken, self.open = self.open[:count], self.open[count:]
        return LeaseReply(task, [0, 1], taken)

    async def labels(self, task: str, labels: Sequence[Label], source: str) -> LabelsReply:
        self.most_at_once = max(self.most_at_once, len(labels))
        self.joined += labels
        return LabelsReply(task, len(labels))

    async def answer(self, task: str, request_id: str, label: int, labelled_at: str) -> None:
        self.looked_again.append((request_id, label, labelled_at))


def request(number: int, asked_as: AskedAs = AskedAs.CHOSEN) -> LeasedRequest:
    return LeasedRequest(
        request_id=f"r{number}",
        prediction_id=f"p{number}",
        asked_as=asked_as.value,
        event_time=to_text(number * DAY_US),
        leased_until=to_text(0),
        row={},
    )


async def one_look(people: People) -> None:
    """Run until the people first rest."""
    with pytest.raises(asyncio.CancelledError):
        await people.run()


async def rest(seconds: float) -> None:
    raise asyncio.CancelledError


async def no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


def test_answers_come_when_their_time_has_come_and_are_true() -> None:
    queue, progress = Queue([request(number) for number in range(4)]), Progress(lambda: 0.0, 4)
    truth = truth_of({f"p{number}": number for number in range(4)}, [7, 8, 9, 6])
    people = People(queue, "task", truth, progress, rest)
    progress.event_time_us = DELAY_US + DAY_US
    asyncio.run(one_look(people))
    assert [(label.prediction_id, label.label) for label in queue.joined] == [("p0", 7), ("p1", 8)]
    assert queue.joined[1].labelled_at == to_text(DELAY_US + DAY_US)
    assert (progress.labels_asked, progress.labels_sent) == (4, 2)


def test_people_who_are_told_to_stop_end_what_they_have_begun() -> None:
    class Slow(Queue):
        """Told to stop while answers are on their way."""

        async def labels(self, task: str, labels: Sequence[Label], source: str) -> LabelsReply:
            people.stop()
            await asyncio.sleep(0)
            return await super().labels(task, labels, source)

    count = ANSWERED_AT_ONCE + 1
    queue, progress = Slow([request(number) for number in range(count)]), Progress(lambda: 0.0, count)
    people = People(queue, "task", lambda prediction_id: 1, progress, no_sleep)
    progress.event_time_us = (count + 1) * DAY_US + DELAY_US
    asyncio.run(people.run())
    assert len(queue.joined) == progress.labels_sent == count


def test_at_the_end_everything_open_is_answered_in_requests_of_bounded_size() -> None:
    queue, progress = Queue([request(number) for number in range(450)]), Progress(lambda: 0.0, 450)
    people = People(queue, "task", lambda prediction_id: 1, progress, no_sleep)
    asyncio.run(people.finish())
    assert sorted(label.prediction_id for label in queue.joined) == sorted(f"p{number}" for number in range(450))
    assert queue.most_at_once == ANSWERED_AT_ONCE
    assert progress.labels_sent == 450


def test_second_looks_are_answered_as_what_they_are_and_counted_apart() -> None:
    asked = [request(1), request(2, AskedAs.SECOND_LOOK), request(3, AskedAs.RANDOM_CHECK)]
    queue, progress = Queue(asked), Progress(lambda: 0.0, 3)
    people = People(queue, "task", lambda prediction_id: 1, progress, no_sleep)
    asyncio.run(people.finish())
    assert queue.looked_again == [("r2", 1, to_text(2 * DAY_US + DELAY_US))]
    assert [label.prediction_id for label in queue.joined] == ["p1", "p3"]
    assert people.asked == {AskedAs.CHOSEN: 1, AskedAs.SECOND_LOOK: 1, AskedAs.RANDOM_CHECK: 1}
