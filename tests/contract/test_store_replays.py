"""Replays are kept beside the verdicts that counted, once however often they are made."""

from __future__ import annotations

import msgspec
import pytest

from dissonance.contracts.verdicts import Reason
from dissonance.errors import UnknownTask
from dissonance.ports.replays import ReplayedVerdict, ReplayRecord
from dissonance.ports.store import Store
from support.store import NO_TASK, StoreCase, with_task

RECORD = ReplayRecord("r1", None, 5_000_000, "as recorded, but max_doubt=0.5", 7, 100, 3, 1_000)


def verdicts(ids: list[bytes]) -> list[ReplayedVerdict]:
    return [ReplayedVerdict(each, 17, Reason.BUDGET, Reason.WITHIN_BUDGET) for each in ids]


def test_replay_that_is_made_again_changes_nothing(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        ids = sorted(case.make.judged(task_id, 5).prediction_ids)
        assert await store.add_replayed(task_id, "r1", verdicts(ids[:3])) == 3
        assert await store.add_replayed(task_id, "r1", verdicts(ids)) == 2
        assert await store.add_replayed(task_id, "r1", []) == 0
        assert await store.add_replayed(task_id, "r2", verdicts(ids[:1])) == 1
        assert await store.save_replay(task_id, RECORD)
        assert not await store.save_replay(task_id, msgspec.structs.replace(RECORD, made_at_us=9_999))
        assert await store.replays(task_id) == [RECORD]
        assert await store.replayed(task_id, "r1") == verdicts(ids)
        assert await store.replayed(task_id, "r1", limit=2, after=ids[1]) == verdicts(ids[2:4])
        assert await store.replayed(task_id, "no such") == []

    case.tell(story)


def test_replays_come_newest_first_and_of_their_task_only(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        records = [
            msgspec.structs.replace(RECORD, replay_id=f"r{number}", made_at_us=number, start_us=number)
            for number in range(3)
        ]
        for record in records:
            assert await store.save_replay(task_id, record)
        assert await store.replays(task_id) == records[::-1]
        assert await store.replays(task_id, limit=1) == records[2:]
        assert await store.replays(other) == []
        assert await store.replays(NO_TASK) == []

    case.tell(story)


def test_many_are_kept_and_no_task_keeps_none(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        ids = case.make.judged(task_id, 4_100).prediction_ids
        assert await store.add_replayed(task_id, "r1", verdicts(ids)) == 4_100
        assert len(await store.replayed(task_id, "r1", limit=10_000)) == 4_100
        with pytest.raises(UnknownTask):
            await store.add_replayed(NO_TASK, "r1", verdicts(ids[:1]))
        with pytest.raises(UnknownTask):
            await store.save_replay(NO_TASK, RECORD)

    case.tell(story)


def test_retention_and_the_end_of_a_task_take_replays_along(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 2)
        await store.add_replayed(task_id, "r1", verdicts(event.prediction_ids))
        await store.save_replay(task_id, RECORD)
        await store.retain(task_id, max(event.processing_times_us) + 10_000_000)
        assert await store.replayed(task_id, "r1") == []
        assert await store.replays(task_id) == [RECORD]
        await store.delete(task_id)
        assert await store.replays(task_id) == []

    case.tell(story)
