"""What versions of the key-encryption key keep to: the double in memory, and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.errors import DataFolderError, KeyInUse, KeyPartMissing, SealBroken, UnknownKey
from dissonance.ports.key_versions import KeyState, PartState
from dissonance.ports.keys import DataSubjectKeys
from support.keys import CutShort, KeysCase, fresh_keys_database, keys_case, quiet

SUBJECTS = [bytes([number]) * 16 for number in range(5)]


@pytest.fixture
def keys_url(engines: EngineAddresses) -> Iterator[str]:
    yield from fresh_keys_database(engines)


@pytest.fixture(params=["memory", "postgres"])
def case(request: pytest.FixtureRequest) -> KeysCase:
    """On a database of its own: versions are of the whole of it."""
    return keys_case(request)


async def states(keys: DataSubjectKeys) -> dict[int, KeyState]:
    return {each.version: each.state for each in await keys.versions.all()}


async def parts(keys: DataSubjectKeys) -> list[PartState]:
    return [each.part for each in await keys.versions.all()]


def test_first_version_is_made_at_first_use(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        await one.obtain(case.task_id, SUBJECTS)
        await two.reserve(2)
        (first,) = await two.versions.all()
        assert (first.version, first.state, first.data_keys, first.spare_keys) == (1, KeyState.ACTIVE, 5, 2)

    case.tell(story)


def test_rotation_keeps_every_data_key_and_leaves_nothing_under_the_version_before(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        made = await one.obtain(case.task_id, SUBJECTS)
        spares = await two.reserve(3)
        assert await one.versions.rotate() == 2
        assert await one.versions.rewrap(quiet) == 8
        assert await one.versions.rewrap(quiet) == 0
        first, second = await one.versions.all()
        assert (first.state, first.data_keys, first.spare_keys) == (KeyState.RETIRED, 0, 0)
        assert (second.state, second.data_keys, second.spare_keys) == (KeyState.ACTIVE, 5, 3)
        case.clock.advance(61)
        assert await one.find(case.task_id, SUBJECTS) == made == await two.find(case.task_id, SUBJECTS)
        spare_id = next(iter(spares))
        assert await two.adopt(case.task_id, {spare_id: b"new" * 5}) == {spare_id: spares[spare_id]}

    case.tell(story)


def test_replica_that_knows_only_the_version_before_goes_on_without_a_restart(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        await two.obtain(case.task_id, SUBJECTS[:1])
        await one.versions.rotate()
        made = await two.obtain(case.task_id, SUBJECTS[1:])
        assert set(made) == set(SUBJECTS[1:])
        assert len(await two.reserve(2)) == 2
        first, second = await one.versions.all()
        assert (first.data_keys, first.spare_keys, second.data_keys, second.spare_keys) == (1, 0, 4, 2)
        await one.obtain(case.other_task_id, SUBJECTS)
        await one.versions.rotate()
        assert set(await two.find(case.other_task_id, SUBJECTS)) == set(SUBJECTS)

    case.tell(story)


def test_keys_are_made_and_destroyed_while_others_are_wrapped_anew(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        subjects = [number.to_bytes(16) for number in range(400)]
        made = await one.obtain(case.task_id, subjects)

        async def rotated() -> None:
            await one.versions.rotate()
            await one.versions.rewrap(quiet)

        async def worked() -> None:
            for number in range(20):
                fresh = [bytes([number, i]) * 8 for i in range(10)]
                assert len(await two.obtain(case.task_id, fresh)) == 10
                await two.destroy(case.task_id, subjects[number : number + 1])

        await asyncio.gather(rotated(), worked())
        assert await one.versions.rewrap(quiet) == 0
        case.clock.advance(61)
        assert await two.find(case.task_id, subjects) == {each: made[each] for each in subjects[20:]}

    case.tell(story)


def test_version_that_is_needed_is_neither_revoked_nor_destroyed(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, _: DataSubjectKeys) -> None:
        made = await one.obtain(case.task_id, SUBJECTS)
        with pytest.raises(KeyInUse):
            await one.versions.destroy(1)
        await one.versions.rotate()
        for end in (one.versions.revoke, one.versions.destroy):
            for version in (1, 2):
                with pytest.raises(KeyInUse):
                    await end(version)
            with pytest.raises(UnknownKey):
                await end(3)
        assert await states(one) == {1: KeyState.RETIRED, 2: KeyState.ACTIVE}
        case.clock.advance(61)
        assert await one.find(case.task_id, SUBJECTS) == made

    case.tell(story)


def test_version_without_keys_is_revoked_then_destroyed_for_good(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        made = await one.obtain(case.task_id, SUBJECTS)
        await one.versions.rotate()
        await one.versions.rewrap(quiet)
        await one.versions.revoke(1)
        await one.versions.revoke(1)
        assert (await states(two))[1] is KeyState.REVOKED
        await two.versions.destroy(1)
        await one.versions.destroy(1)
        await one.versions.revoke(1)
        assert await states(one) == {1: KeyState.DESTROYED, 2: KeyState.ACTIVE}
        case.clock.advance(61)
        assert await two.find(case.task_id, SUBJECTS) == made
        assert await one.versions.rotate() == 3

    case.tell(story)


def test_other_root_key_opens_no_version_and_changes_none(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, other: DataSubjectKeys) -> None:
        made = await one.obtain(case.task_id, SUBJECTS)
        for attempt in (other.versions.rotate(), other.versions.all(), other.versions.destroy(1)):
            with pytest.raises(SealBroken, match="key-encryption key"):
                await attempt
        with pytest.raises(SealBroken, match="key-encryption key"):
            await other.versions.rewrap(quiet)
        assert await states(one) == {1: KeyState.ACTIVE}
        case.clock.advance(61)
        assert await one.find(case.task_id, SUBJECTS) == made

    case.tell(story, second_key_encryption_key=b"\x07" * 32)


def test_part_comes_with_its_version_and_is_destroyed_with_it(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        await one.obtain(case.task_id, SUBJECTS)
        (first,) = case.parts.parts
        await one.versions.rotate()
        await one.versions.rewrap(quiet)
        await one.versions.revoke(1)
        assert await parts(two) == [PartState.KEPT, PartState.KEPT]
        await one.versions.destroy(1)
        assert await parts(two) == [PartState.DESTROYED, PartState.KEPT]
        assert len(case.parts.parts) == 1 and first not in case.parts.parts

    case.tell(story)


def test_two_who_make_the_first_version_at_once_leave_one_part(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        made = await asyncio.gather(one.obtain(case.task_id, SUBJECTS), two.obtain(case.task_id, SUBJECTS))
        assert made[0] == made[1]
        assert await parts(one) == [PartState.KEPT] and len(case.parts.parts) == 1

    case.tell(story)


@pytest.mark.parametrize("cut", ["before keep", "after keep"])
def test_rotation_that_is_cut_short_at_its_part_has_changed_nothing_and_is_done_again(case: KeysCase, cut: str) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        made = await one.obtain(case.task_id, SUBJECTS)
        case.parts.cut = cut
        with pytest.raises(CutShort):
            await one.versions.rotate()
        assert await states(two) == {1: KeyState.ACTIVE}
        assert await two.versions.rotate() == 2
        assert await two.versions.rewrap(quiet) == 5
        case.clock.advance(61)
        assert await one.find(case.task_id, SUBJECTS) == made
        assert await parts(one) == [PartState.KEPT, PartState.KEPT]

    case.tell(story)


def test_destroy_that_is_cut_short_before_the_part_says_so_and_is_finished_by_the_next(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        await one.obtain(case.task_id, SUBJECTS)
        await one.versions.rotate()
        await one.versions.rewrap(quiet)
        case.parts.cut = "before destroy"
        with pytest.raises(CutShort):
            await one.versions.destroy(1)
        assert (await states(two))[1] is KeyState.DESTROYED
        assert await parts(two) == [PartState.LEFT, PartState.KEPT]
        await two.versions.destroy(1)
        assert await parts(one) == [PartState.DESTROYED, PartState.KEPT]

    case.tell(story)


def test_destroy_whose_part_cannot_be_removed_says_what_is_done_and_what_finishes_it(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        await one.obtain(case.task_id, SUBJECTS)
        await one.versions.rotate()
        await one.versions.rewrap(quiet)
        case.parts.refused = DataFolderError("Permission denied", where="versions", fix="let this user write there")
        for keys in (one, two):
            with pytest.raises(DataFolderError, match=r"1 is destroyed in .*: Permission denied") as caught:
                await keys.versions.destroy(1)
            assert caught.value.where == "versions"
            assert caught.value.fix == "let this user write there; then the same again: dissonance keys destroy 1"
        assert (await states(two))[1] is KeyState.DESTROYED
        case.parts.refused = None
        await two.versions.destroy(1)
        assert await parts(one) == [PartState.DESTROYED, PartState.KEPT]

    case.tell(story)


def test_part_that_does_not_open_or_cannot_be_read_is_listed_as_that(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        await one.obtain(case.task_id, SUBJECTS)
        (first,) = case.parts.parts
        await one.versions.rotate()
        case.parts.broken[first] = SealBroken("it was changed")
        assert await parts(two) == [PartState.DAMAGED, PartState.KEPT]
        case.parts.broken[first] = DataFolderError("Permission denied")
        assert await parts(two) == [PartState.UNREADABLE, PartState.KEPT]

    case.tell(story)


def test_parts_of_rotations_that_were_cut_short_are_swept_and_no_version_loses_its_own(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        made = await one.obtain(case.task_id, SUBJECTS)
        case.parts.cut = "after keep"
        with pytest.raises(CutShort):
            await one.versions.rotate()
        await one.versions.rotate()
        await one.versions.rewrap(quiet)
        await one.versions.revoke(1)
        assert len(case.parts.parts) == 3 and await two.versions.unneeded_parts() == 1
        assert await two.versions.sweep() == 1
        assert (await two.versions.unneeded_parts(), await two.versions.sweep()) == (0, 0)
        assert await parts(one) == [PartState.KEPT, PartState.KEPT]
        case.clock.advance(61)
        assert await two.find(case.task_id, SUBJECTS) == made

    case.tell(story)


def test_version_in_use_keeps_its_part_when_it_is_asked_to_go(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, _: DataSubjectKeys) -> None:
        await one.obtain(case.task_id, SUBJECTS)
        with pytest.raises(KeyInUse):
            await one.versions.destroy(1)
        assert await parts(one) == [PartState.KEPT]

    case.tell(story)


def test_active_version_whose_part_is_missing_opens_nothing_and_nothing_is_changed_until_it_is_back(
    case: KeysCase,
) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        made = await one.obtain(case.task_id, SUBJECTS)
        kept = dict(case.parts.parts)
        case.parts.parts.clear()
        for attempt in (two.versions.rotate(), two.versions.all(), two.obtain(case.task_id, SUBJECTS)):
            with pytest.raises(KeyPartMissing, match="version 1"):
                await attempt
        assert case.parts.parts == {}
        case.parts.parts.update(kept)
        assert await two.find(case.task_id, SUBJECTS) == made
        assert await states(one) == {1: KeyState.ACTIVE}

    case.tell(story)


def test_retired_version_whose_part_is_missing_keeps_only_what_rests_under_it_closed(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        made = await one.obtain(case.task_id, SUBJECTS)
        kept = dict(case.parts.parts)
        await one.versions.rotate()
        for part_id in kept:
            case.parts.destroy(part_id)
        other = await two.obtain(case.other_task_id, SUBJECTS)
        assert await two.find(case.other_task_id, SUBJECTS) == other
        assert await parts(two) == [PartState.MISSING, PartState.KEPT]
        for attempt in (two.find(case.task_id, SUBJECTS), two.versions.rewrap(quiet)):
            with pytest.raises(KeyPartMissing, match="version 1"):
                await attempt
        with pytest.raises(KeyInUse):
            await two.versions.destroy(1)
        case.parts.parts.update(kept)
        assert await two.find(case.task_id, SUBJECTS) == made
        assert await two.versions.rewrap(quiet) == 5

    case.tell(story)


def test_part_that_is_not_the_right_one_opens_nothing(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, two: DataSubjectKeys) -> None:
        await one.obtain(case.task_id, SUBJECTS)
        (part_id,) = case.parts.parts
        case.parts.parts[part_id] = bytes(32)
        with pytest.raises(SealBroken, match="does not open"):
            await two.versions.all()

    case.tell(story)


def test_process_that_runs_needs_no_part_again(case: KeysCase) -> None:
    async def story(one: DataSubjectKeys, _: DataSubjectKeys) -> None:
        made = await one.obtain(case.task_id, SUBJECTS)
        case.parts.parts.clear()
        case.clock.advance(61)
        assert await one.find(case.task_id, SUBJECTS) == made

    case.tell(story)
