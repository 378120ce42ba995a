"""What every store of data subjects' keys keeps to: the double in memory, and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.errors import SealBroken
from dissonance.ports.keys import DataSubjectKeys
from support.keys import KeysCase, fresh_keys_database, keys_case

SUBJECTS = [bytes([number]) * 16 for number in range(5)]


@pytest.fixture(scope="module")
def keys_url(engines: EngineAddresses) -> Iterator[str]:
    yield from fresh_keys_database(engines)


@pytest.fixture(params=["memory", "postgres"])
def case(request: pytest.FixtureRequest) -> KeysCase:
    return keys_case(request)


def test_obtained_keys_are_32_bytes_differ_and_stay(case: KeysCase) -> None:
    async def story(keys: DataSubjectKeys, _: DataSubjectKeys) -> None:
        assert await keys.find(case.task_id, SUBJECTS) == {}
        first = await keys.obtain(case.task_id, SUBJECTS)
        assert set(first) == set(SUBJECTS)
        assert len(set(first.values())) == len(SUBJECTS)
        assert {len(key) for key in first.values()} == {32}
        assert await keys.obtain(case.task_id, SUBJECTS[::-1] * 2) == first
        assert await keys.find(case.task_id, SUBJECTS[:2]) == {each: first[each] for each in SUBJECTS[:2]}
        assert await keys.obtain(case.task_id, []) == {}

    case.tell(story)


def test_replicas_have_the_same_keys(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        made = await one.obtain(case.task_id, SUBJECTS[:3])
        assert await two.find(case.task_id, SUBJECTS) == made
        both = await two.obtain(case.task_id, SUBJECTS)
        assert {each: both[each] for each in SUBJECTS[:3]} == made
        assert await one.obtain(case.task_id, SUBJECTS) == both

    case.tell(story)


@pytest.mark.parametrize("many", [3, 6_000])
def test_keys_of_each_come_in_order_also_again_and_none_of_those_who_have_none(case: KeysCase, many: int) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        people = [number.to_bytes(16) for number in range(many)]
        made = await one.obtain(case.task_id, people[:-1])
        assert (await two.fetch_each(case.task_id, []))() == []
        keys = [made[each] for each in people[:-1]]
        assert (await two.fetch_each(case.task_id, people * 2))() == [*keys, None] * 2
        await one.destroy(case.task_id, people[:1])
        await two.versions.rotate()
        made = await two.obtain(case.task_id, [b"new" * 5 + b"!"])
        wanted = [*people[1:], *made, people[0], b"s" * 16]
        assert (await one.fetch_each(case.task_id, wanted))() == [*keys[1:], None, *made.values(), None, None]
        assert (await one.fetch_each(case.other_task_id, people))() == [None] * many

    case.tell(story)


def test_replicas_that_make_a_key_at_once_agree(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        for round_number in range(10):
            subjects = [bytes([round_number, i]) * 8 for i in range(40)]
            first, second = await asyncio.gather(
                one.obtain(case.task_id, subjects), two.obtain(case.task_id, subjects[::-1])
            )
            assert first == second
            assert set(first) == set(subjects)

    case.tell(story)


def test_more_keys_than_one_statement_takes(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        subjects = [number.to_bytes(16) for number in range(5_500)]
        made = await one.obtain(case.task_id, subjects)
        assert len(set(made.values())) == 5_500
        assert await two.find(case.task_id, subjects) == made

    case.tell(story)


def test_many_keys_at_once_are_those_that_were_not_destroyed(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        subjects = [number.to_bytes(16) for number in range(5_500)]
        made = await one.obtain(case.task_id, subjects)
        assert await two.find(case.task_id, subjects) == made
        await one.destroy(case.task_id, subjects[:2])
        left = {each: made[each] for each in subjects[2:]}
        assert await two.find(case.task_id, subjects) == left
        assert await two.find(case.other_task_id, subjects) == {}
        await one.destroy_task(case.task_id)
        assert await two.find(case.task_id, subjects) == {}

    case.tell(story)


def test_one_data_subject_has_another_key_in_another_task(case: KeysCase) -> None:
    async def story(keys: DataSubjectKeys, _: DataSubjectKeys) -> None:
        here = await keys.obtain(case.task_id, SUBJECTS)
        there = await keys.obtain(case.other_task_id, SUBJECTS)
        assert not set(here.values()) & set(there.values())

    case.tell(story)


def test_destroyed_key_never_returns(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        made = await one.obtain(case.task_id, SUBJECTS)
        assert await one.destroy(case.task_id, SUBJECTS[:2]) == 2
        assert await one.destroy(case.task_id, SUBJECTS[:2]) == 0
        left = {each: made[each] for each in SUBJECTS[2:]}
        for keys in (one, two):
            assert await keys.find(case.task_id, SUBJECTS) == left
            assert await keys.obtain(case.task_id, SUBJECTS) == left

    case.tell(story)


def test_data_subject_destroyed_before_it_had_a_key_never_gets_one(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        assert await one.destroy(case.task_id, SUBJECTS[:1]) == 0
        assert await two.obtain(case.task_id, SUBJECTS[:1]) == {}
        assert len(await two.obtain(case.other_task_id, SUBJECTS[:1])) == 1

    case.tell(story)


def test_key_destroyed_by_another_replica_is_gone_here_after_a_minute(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        made = await two.obtain(case.task_id, SUBJECTS)
        await one.destroy(case.task_id, SUBJECTS[:1])
        case.clock.advance(60)
        assert await two.find(case.task_id, SUBJECTS) == {each: made[each] for each in SUBJECTS[1:]}
        assert SUBJECTS[0] not in await two.obtain(case.task_id, SUBJECTS)

    case.tell(story)


def test_destroying_while_others_obtain_leaves_no_key(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        for round_number in range(10):
            subjects = [bytes([round_number, i]) * 8 for i in range(20)]
            await asyncio.gather(one.destroy(case.task_id, subjects), two.obtain(case.task_id, subjects))
            case.clock.advance(60)
            assert await two.obtain(case.task_id, subjects) == {}

    case.tell(story)


def test_destroyed_task_has_no_keys_and_gets_none(case: KeysCase) -> None:
    async def story(keys: DataSubjectKeys, _: DataSubjectKeys) -> None:
        await keys.obtain(case.task_id, SUBJECTS)
        other = await keys.obtain(case.other_task_id, SUBJECTS)
        assert await keys.destroy_task(case.task_id) == len(SUBJECTS)
        assert await keys.destroy_task(case.task_id) == 0
        assert await keys.find(case.task_id, SUBJECTS) == {}
        assert await keys.obtain(case.task_id, [*SUBJECTS, b"new one" + bytes(9)]) == {}
        assert await keys.find(case.other_task_id, SUBJECTS) == other

    case.tell(story)


def test_keys_do_not_open_under_another_key_encryption_key(case: KeysCase) -> None:
    async def story(keys: DataSubjectKeys, other: DataSubjectKeys) -> None:
        await keys.obtain(case.task_id, SUBJECTS)
        with pytest.raises(SealBroken, match="key-encryption key"):
            await other.find(case.task_id, SUBJECTS)
        with pytest.raises(SealBroken, match="key-encryption key"):
            await other.obtain(case.task_id, SUBJECTS)

    case.tell(story, second_key_encryption_key=b"\x07" * 32)


def test_hash_of_a_data_subject_is_keyed_and_of_one_task(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        hashed = one.data_subject_hash(case.task_id, "Ada Lovelace")
        assert len(hashed) == 16
        assert hashed == two.data_subject_hash(case.task_id, "Ada Lovelace")
        assert hashed != one.data_subject_hash(case.other_task_id, "Ada Lovelace")
        assert hashed != one.data_subject_hash(case.task_id, "Ada Byron")
        names = ["Ada Lovelace", "Ada Byron", "Ada Lovelace"]
        together = one.data_subject_hashes(case.task_id, names)
        assert together == [one.data_subject_hash(case.task_id, name) for name in names]

    case.tell(story)


def test_keys_that_answer_are_ready(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        await one.ready()
        await two.ready()

    case.tell(story)
