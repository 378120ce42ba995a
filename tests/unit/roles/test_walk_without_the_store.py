"""Predictions go on while PostgreSQL is away, and everything catches up after (ADR 40)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from dissonance.contracts.events import Contradicted, Event, Predicted
from dissonance.contracts.ids import id_from_text
from dissonance.contracts.topics import EventKind
from dissonance.security.rows import open_rows
from dissonance.security.spare_rows import spare_of
from support.walk import TASK, Walk, row


@asynccontextmanager
async def watched(walk: Walk) -> AsyncIterator[None]:
    """The proposer's background runs, and holds its spare keys ready."""
    background = walk.at_work["proposer"].background
    assert background is not None

    async def run() -> None:
        await background()

    task = asyncio.create_task(run())
    while walk.metrics.registry.get_sample_value("dissonance_spare_keys") != 20.0:
        await asyncio.sleep(0)
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def away(walk: Walk, is_away: bool = True) -> None:
    walk.store.available = walk.keys.available = not is_away


async def pump_all(walk: Walk) -> None:
    for _ in range(4):
        await walk.pump()


async def until_there(walk: Walk) -> None:
    """The proposer has seen that the store is back."""
    async with asyncio.timeout(10):
        while any(state.value != "closed" for state in walk.place.breakers.states().values()):
            await asyncio.sleep(0.01)


async def stored(walk: Walk, ids: Sequence[str]) -> int:
    return len(await walk.store.find(TASK.task_id, [id_from_text(each) for each in ids]))


async def predicted(walk: Walk) -> list[Event]:
    return await walk.deliver("onlooker", [EventKind.PREDICTED])


def test_known_and_new_data_subjects_are_answered_and_everything_is_stored_after() -> None:
    async def story() -> None:
        walk = await Walk.open()
        async with watched(walk):
            ids = await walk.predict([row(person="known")])
            away(walk)
            walk.clock.advance(120)
            ids += await walk.predict([row(person="known"), row(person="new")])
            ids += await walk.predict([row(person="new"), row(person="newer")])
            away(walk, False)
            await until_there(walk)
            ids += await walk.predict([row(person="new")])
            await pump_all(walk)
            assert await stored(walk, ids) == len(ids) == 6

    asyncio.run(story())


def test_what_was_sealed_under_a_spare_key_goes_on_under_the_one_key_of_its_data_subject() -> None:
    async def story() -> None:
        walk = await Walk.open()
        async with watched(walk):
            await walk.predict([row(person="known")])
            away(walk)
            await walk.predict([row(0.25, person="new")])
            away(walk, False)
            await until_there(walk)
            await walk.predict([row(0.75, person="new")])  # another key, made before the critic settled the spare one
            marks = [
                [spare_of(blob) is not None for blob in event.sealed]
                for event in await predicted(walk)
                if isinstance(event, Predicted)
            ]
            assert marks == [[False], [True], [False]]
            await walk.pump()
            new = walk.keys.data_subject_hash(TASK.task_id, "new")
            keys = await walk.keys.find(TASK.task_id, [new])
            seen = []
            for event in await walk.deliver("onlooker", [EventKind.CONTRADICTED]):
                assert isinstance(event, Contradicted)
                for i, subject in enumerate(event.data_subjects):
                    if subject == new:
                        where = (TASK.task_id, [event.prediction_ids[i]], [subject], [event.sealed[i]])
                        [opened] = open_rows(keys, *where)
                        assert opened is not None
                        seen.append(opened.features)
            assert len(seen) == 2

    asyncio.run(story())


def test_more_new_data_subjects_than_spare_keys_get_a_clear_503_and_all_others_go_on() -> None:
    async def story() -> None:
        walk = await Walk.open()
        async with watched(walk):
            await walk.predict([row(person="known")])
            away(walk)
            for number in range(20):
                await walk.predict([row(person=f"new-{number}")])
            reply = await walk.post("toy/predict", {"rows": [row(person="one too many")]})
            assert (reply.status, reply.json()["type"]) == (503, "urn:dissonance:problem:engine-unavailable")
            await walk.predict([row(person="known"), row(person="new-3")])

    asyncio.run(story())


def test_key_that_was_read_too_long_ago_is_not_used_any_more() -> None:
    async def story() -> None:
        walk = await Walk.open()
        async with watched(walk):
            await walk.predict([row(person="known")])
            away(walk)
            walk.clock.advance(901)
            await walk.predict([row(person="known")])  # under a spare key, as if never seen
            events = await predicted(walk)
            assert isinstance(events[-1], Predicted) and spare_of(events[-1].sealed[0]) is not None

    asyncio.run(story())


def test_somebody_erased_before_the_outage_stays_erased() -> None:
    async def story() -> None:
        walk = await Walk.open()
        async with watched(walk):
            gone = walk.keys.data_subject_hash(TASK.task_id, "gone")
            await walk.keys.destroy(TASK.task_id, [gone])
            assert (await walk.post("toy/predict", {"rows": [row(person="gone")]})).status == 410
            away(walk)
            ids = await walk.predict([row(person="gone")])
            away(walk, False)
            await until_there(walk)
            await pump_all(walk)
            [experience] = (await walk.store.find(TASK.task_id, [id_from_text(ids[0])])).values()
            assert await walk.keys.find(TASK.task_id, [gone]) == {}
            assert open_rows({}, TASK.task_id, [experience.prediction_id], [gone], [experience.sealed]) == [None]
            assert await walk.keys.adopt(TASK.task_id, dict.fromkeys(list(walk.keys.spares()), gone)) == {}
            assert (await walk.post("toy/predict", {"rows": [row(person="gone")]})).status == 410

    asyncio.run(story())


@pytest.mark.parametrize("before", [True, False], ids=["first asked before", "first asked meanwhile"])
def test_idempotency_key_gets_its_first_answer_again_while_the_store_is_away(before: bool) -> None:
    async def story() -> None:
        walk = await Walk.open()
        async with watched(walk):
            await walk.predict([row(person="b")])
            if not before:
                away(walk)
            first = await walk.predict([row(person="a")], key="k")
            away(walk)
            assert await walk.predict([row(person="a")], key="k") == first
            assert (await walk.post("toy/predict", {"rows": [row(0.1, person="a")]}, "k")).status == 409
            away(walk, False)
            await until_there(walk)
            await pump_all(walk)
            assert await walk.predict([row(person="a")], key="k") == first
            await pump_all(walk)
            assert await stored(walk, first) == 1
            assert (await walk.store.counts(TASK.task_id)).admitted == 2

    asyncio.run(story())


def test_idempotency_key_first_used_at_another_replica_meanwhile_gets_the_same_answer() -> None:
    async def story() -> None:
        walk = await Walk.open()
        other = Walk.beside(walk)
        async with watched(walk), watched(other):
            await walk.predict([row(person="a")])
            await other.predict([row(person="a")])
            away(walk)
            first = await walk.predict([row(person="a")], key="k")
            assert await other.predict([row(person="a")], key="k") == first
            assert await walk.predict([row(person="b")], key="l")
            reply = await other.post("toy/predict", {"rows": [row(person="b")]}, "l")
            assert reply.status == 503  # sealed under a spare key of the other: nobody else can open it now
            away(walk, False)
            await until_there(walk)
            await until_there(other)
            await pump_all(walk)
            assert (await other.post("toy/predict", {"rows": [row(person="b")]}, "l")).status == 200
            await pump_all(walk)
            assert (await walk.store.counts(TASK.task_id)).admitted == 4

    asyncio.run(story())


def test_idempotency_key_is_refused_while_neither_store_nor_broker_can_say_whether_it_is_new() -> None:
    async def story() -> None:
        walk = await Walk.open()
        async with watched(walk):
            await walk.predict([row(person="a")])
            away(walk)
            walk.bus.available = False
            reply = await walk.post("toy/predict", {"rows": [row(person="a")]}, "k")
            assert reply.status == 503

    asyncio.run(story())


def test_spare_keys_that_were_not_used_are_given_back() -> None:
    async def story() -> None:
        walk = await Walk.open()
        async with watched(walk):
            assert len(walk.keys.spares()) == 20
        assert walk.keys.spares() == {}

    asyncio.run(story())
