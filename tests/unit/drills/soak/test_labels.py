"""A share of the rows gets a label unasked, late, and again when its row is not stored yet; two labels are one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from dissonance.contracts.api import Label, LabelsReply
from dissonance.contracts.label_api import LeaseReply
from dissonance.drills.soak.labels import DELAY_US, EVERY, SENT_AT_ONCE, LateLabels, Noted
from dissonance.errors import UnknownPrediction

TASK = "t"
TIMES_US = np.arange(100 * EVERY, dtype=np.int64) * 1_000_000
LABELS = np.arange(100 * EVERY, dtype=np.int64) // EVERY % 2


class Service:
    """Takes labels, or does not know the row yet while `away`."""

    def __init__(self) -> None:
        self.taken: list[Label] = []
        self.answered: list[str] = []
        self.away = False

    async def lease(self, task: str, count: int) -> LeaseReply:
        return LeaseReply(task, [0, 1], [])

    async def labels(self, task: str, labels: Sequence[Label], source: str) -> LabelsReply:
        if self.away:
            raise UnknownPrediction("not stored", where="labels", fix="send it again soon")
        assert len(labels) <= SENT_AT_ONCE
        self.taken += labels
        return LabelsReply(task, len(labels))

    async def answer(self, task: str, request_id: str, label: int, labelled_at: str) -> None:
        self.answered.append(request_id)


def late(service: Service, positions: dict[str, int]) -> LateLabels:
    return LateLabels(service, TASK, positions, TIMES_US, LABELS)


def positions(rows: int, start: int = 0) -> dict[str, int]:
    return {f"p{row}": row for row in range(start, rows)}


def test_every_so_manieth_row_gets_its_true_label_when_it_is_late_enough() -> None:
    service = Service()

    asyncio.run(late(service, positions(10 * EVERY)).send(DELAY_US + 3 * EVERY * 1_000_000))

    assert [(label.prediction_id, label.label) for label in service.taken] == [
        (f"p{row * EVERY}", row % 2) for row in range(4)
    ]


def test_rows_that_come_later_are_labelled_later_and_none_twice() -> None:
    service, known = Service(), positions(2 * EVERY)
    labels = late(service, known)

    async def story() -> None:
        await labels.send(None)
        known.update(positions(5 * EVERY, 2 * EVERY))
        await labels.send(None)
        await labels.finish()

    asyncio.run(story())

    assert [label.prediction_id for label in service.taken] == [f"p{row * EVERY}" for row in range(5)]


def test_more_than_one_request_takes_come_in_several() -> None:
    service = Service()
    rows = (SENT_AT_ONCE + 1) * EVERY
    times_us, labels = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64)

    asyncio.run(LateLabels(service, TASK, positions(rows), times_us, labels).finish())

    assert len(service.taken) == SENT_AT_ONCE + 1


def test_a_label_whose_row_is_not_stored_yet_is_sent_again() -> None:
    service = Service()
    service.away = True
    labels = late(service, positions(2 * EVERY))

    async def story() -> None:
        await labels.send(int(TIMES_US[-1]) + DELAY_US)
        service.away = False
        await labels.finish()

    asyncio.run(story())

    assert len(service.taken) == 2


def test_a_row_that_is_unknown_in_the_end_is_an_error() -> None:
    service = Service()
    service.away = True

    with pytest.raises(UnknownPrediction):
        asyncio.run(late(service, positions(1)).finish())


def test_two_labels_of_one_prediction_are_one_to_join_and_a_second_look_is_none() -> None:
    noted = Noted(Service())

    async def story() -> None:
        assert not (await noted.lease(TASK, 1)).requests
        await noted.labels(TASK, [Label("p1", 1), Label("p2", 0)], "people")
        await noted.labels(TASK, [Label("p1", 1)], "soak")
        await noted.answer(TASK, "request", 1, "2026-01-01T00:00:00Z")

    asyncio.run(story())

    assert noted.labelled == {"p1", "p2"}


def test_what_a_client_does_not_take_is_not_noted() -> None:
    service = Service()
    service.away = True
    noted = Noted(service)

    with pytest.raises(UnknownPrediction):
        asyncio.run(noted.labels(TASK, [Label("p1", 1)], "people"))

    assert not noted.labelled
