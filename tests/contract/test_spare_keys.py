"""What every store of data subjects' keys keeps to about spare keys: the double in memory, and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.ports.keys import DataSubjectKeys
from support.keys import KeysCase, fresh_keys_database, keys_case

ADA, BOB = b"a" * 16, b"b" * 16


@pytest.fixture(scope="module")
def keys_url(engines: EngineAddresses) -> Iterator[str]:
    yield from fresh_keys_database(engines)


@pytest.fixture(params=["memory", "postgres"])
def case(request: pytest.FixtureRequest) -> KeysCase:
    return keys_case(request)


def test_spare_key_becomes_the_key_of_whom_it_was_used_for(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        spares = await one.reserve(5_300)
        assert len(set(spares.values())) == 5_300 and {len(key) for key in spares.values()} == {32}
        first, second = list(spares)[:2]
        for keys in (two, one, two):
            adopted = await keys.adopt(case.task_id, {first: ADA, second: BOB})
            assert adopted == {first: spares[first], second: spares[second]}
        assert await two.find(case.task_id, [ADA, BOB]) == {ADA: spares[first], BOB: spares[second]}
        assert await one.obtain(case.task_id, [BOB]) == {BOB: spares[second]}

    case.tell(story)


def test_spare_key_beside_a_key_that_there_was_opens_and_changes_nothing(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        key = (await one.obtain(case.task_id, [ADA]))[ADA]
        first, second = spares = await one.reserve(2)
        adopted = await two.adopt(case.task_id, {first: ADA, second: ADA})
        assert adopted == spares
        assert await two.obtain(case.task_id, [ADA]) == {ADA: key}

    case.tell(story)


def test_two_spare_keys_of_one_data_subject_make_one_key(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        spares = await one.reserve(2)
        assert await two.adopt(case.task_id, dict.fromkeys(spares, ADA)) == spares
        assert (await one.find(case.task_id, [ADA]))[ADA] in spares.values()

    case.tell(story)


def test_spare_key_is_used_for_one_data_subject_only(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        [(spare, key)] = (await one.reserve(1)).items()
        assert await two.adopt(case.task_id, {spare: ADA}) == {spare: key}
        assert await two.adopt(case.task_id, {spare: BOB}) == {}
        assert await two.adopt(case.other_task_id, {spare: ADA}) == {}
        assert await two.find(case.task_id, [BOB]) == {}

    case.tell(story)


@pytest.mark.parametrize("before", [True, False])
def test_spare_key_of_an_erased_data_subject_is_destroyed(case: KeysCase, before: bool) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        spare, other = await one.reserve(2)
        if not before:
            await one.adopt(case.task_id, {spare: ADA, other: ADA})
        await one.destroy(case.task_id, [ADA])
        for task_id in (case.task_id, case.other_task_id):
            assert await two.adopt(task_id, {spare: ADA}) == {}
        assert await two.obtain(case.task_id, [ADA]) == {}

    case.tell(story)


def test_spare_keys_of_a_deleted_task_are_destroyed(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        used, unused = await one.reserve(2)
        await one.adopt(case.task_id, {used: ADA})
        await one.destroy_task(case.task_id)
        assert await two.adopt(case.task_id, {used: ADA, unused: BOB}) == {}

    case.tell(story)


def test_spare_keys_that_were_given_back_are_no_keys(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        used, unused = spares = await one.reserve(2)
        await two.adopt(case.task_id, {used: ADA})
        await one.release(list(spares))
        assert await two.adopt(case.task_id, {used: ADA, unused: BOB}) == {used: spares[used]}

    case.tell(story)


def test_spare_key_that_is_adopted_while_its_data_subject_is_erased_opens_nothing_after(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        spares = await one.reserve(10)
        for spare in spares:
            subject = spare[::-1]
            await asyncio.gather(one.destroy(case.task_id, [subject]), two.adopt(case.task_id, {spare: subject}))
            assert await one.adopt(case.task_id, {spare: subject}) == {}
            assert await one.obtain(case.task_id, [subject]) == {}

    case.tell(story)


def test_keys_that_were_got_lately_are_remembered_without_the_store(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        made = await one.obtain(case.task_id, [ADA, BOB])
        assert one.remembered(case.task_id, [ADA, BOB, b"c" * 16]) == made
        assert two.remembered(case.task_id, [ADA]) == {} == one.remembered(case.other_task_id, [ADA])
        case.clock.advance(600)
        await one.obtain(case.task_id, [BOB])
        case.clock.advance(300)
        assert one.remembered(case.task_id, [ADA, BOB]) == {BOB: made[BOB]}
        await one.destroy(case.task_id, [BOB])
        assert one.remembered(case.task_id, [ADA, BOB]) == {}

    case.tell(story)
