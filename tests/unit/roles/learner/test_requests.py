"""Labels asked for by hand: the most doubtful of the newest inputs without one, however few days they lie in."""

from __future__ import annotations

import asyncio

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.ports.labels import AskedAs
from dissonance.roles.learner.requests import POOL, ask_by_hand
from support.store import RowMaker, labels
from support.workshop import Workshop, workshop

YEAR_US = 365 * 86_400_000_000


async def asked(work: Workshop, task_id: str, count: int) -> tuple[int, set[bytes]]:
    """How many were new, and about which inputs they are."""
    task = await work.store.by_id(task_id)
    new = await ask_by_hand(work, task, count)
    taken = await work.store.lease(task.task_id, 1_000, by="people", now_us=0, until_us=1)
    assert {each.asked_as for each in taken} <= {AskedAs.BY_HAND}
    return new, {each.prediction_id for each in taken}


async def started(make: RowMaker) -> tuple[Workshop, str]:
    work, task = workshop(), make.task()
    await work.store.create(task, Policy())
    return work, task.task_id


def test_the_most_doubtful_without_a_label_are_asked_about_once() -> None:
    async def story() -> None:
        make = RowMaker("requests")
        work, task_id = await started(make)
        event = make.judged(task_id, 4, confidences=[0.9, 0.5, 0.6, 0.7], event_times_us=[0, 1, YEAR_US, 9 * YEAR_US])
        blocked = make.judged(task_id, 1, confidences=[0.1], verdict=Verdict.BLOCKED, reason=Reason.RANGE)
        await work.store.record([event, blocked])
        await work.store.add_labels(task_id, labels(event.prediction_ids[1:2], [b"x"], [5], [True]))

        assert await asked(work, task_id, 2) == (2, set(event.prediction_ids[2:]))
        assert await asked(work, task_id, 2) == (1, {event.prediction_ids[0]})
        assert (await asked(work, task_id, 2))[0] == 0

    asyncio.run(story())


def test_inputs_that_many_labels_hide_are_still_found() -> None:
    async def story() -> None:
        make = RowMaker("hidden")
        work, task_id = await started(make)
        event = make.judged(task_id, POOL + 3, event_times_us=list(range(1, POOL + 4)))
        await work.store.record([event])
        newest = event.prediction_ids[3:]
        await work.store.add_labels(task_id, labels(newest, [b"x"] * POOL, [5] * POOL, [True] * POOL))

        assert await asked(work, task_id, 10) == (3, set(event.prediction_ids[:3]))

    asyncio.run(story())


def test_a_task_without_inputs_has_nothing_to_ask_about() -> None:
    async def story() -> None:
        make = RowMaker("empty")
        work, task_id = await started(make)

        assert await asked(work, task_id, 10) == (0, set())

    asyncio.run(story())
