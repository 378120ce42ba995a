"""Tasks, their policies and reference rows: what every experience store keeps to, in memory and on PostgreSQL."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.policy import Policy
from dissonance.errors import EngineError, PolicyInvalid, TaskExists, UnknownTask, WrongType
from dissonance.ports.store import Counts, IdempotentAnswer, ReferenceRows, Split, Store
from support.store import NO_TASK, StoreCase, labels, with_task
from support.updates import decision_of


def test_task_is_found_by_name_and_id_exactly_as_created(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task = case.make.task(classes=(1.0, 1e300, "x", True), time_column="at", data_subject_column="person")
        await store.create(task, Policy())
        for found in (await store.by_name(task.name), await store.by_id(task.task_id)):
            assert found == task
            assert [type(value) for value in found.classes] == [float, float, str, bool]
        assert task in await store.all()

    case.tell(story)


def test_task_name_or_id_is_taken(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task = case.make.task()
        await store.create(task, Policy())
        for clash in (case.make.task(name=task.name), case.make.task(task_id=task.task_id)):
            with pytest.raises(TaskExists):
                await store.create(clash, Policy())
        assert await store.by_name(task.name) == task

    case.tell(story)


def test_one_at_a_time_makes_a_task_of_a_name(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        name = case.make.task().name
        async with store.claim(name):
            async with store.claim(f"another {name}"):
                pass
            with pytest.raises(TaskExists, match="being made"):
                async with store.claim(name):
                    pass
        with pytest.raises(ZeroDivisionError):
            async with store.claim(name):
                raise ZeroDivisionError
        async with store.claim(name):
            pass

    case.tell(story)


def test_task_id_that_is_not_32_hex_digits_is_refused(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        for wrong in ("census", "", "0" * 32, "f" * 32, "ab" * 17):
            with pytest.raises(WrongType):
                await store.create(case.make.task(task_id=wrong), Policy())

    case.tell(story)


def test_no_task_has_a_name_that_no_text_of_the_database_can_be(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(UnknownTask):
            await store.by_name("a\0b")

    case.tell(story)


@pytest.mark.parametrize("task_id", [NO_TASK, "not an id"])
def test_unknown_task_is_named_by_writes_and_empty_in_reads(case: StoreCase, task_id: str) -> None:
    async def story(store: Store) -> None:
        event = case.make.judged(task_id)
        reference = ReferenceRows([0], [Split.TRAIN], [b"s" * 16], [b"x"])
        for refused in (
            store.by_id(task_id),
            store.by_name(task_id),
            store.policy(task_id),
            store.set_policy(task_id, Policy(version=2), reason="r", by="b"),
            store.add_reference(task_id, reference),
            store.record_verdicts(task_id, case.make.verdict_rows(event), {}),
            store.verify_chain(task_id),
            store.save_window(case.make.window(task_id)),
        ):
            with pytest.raises(UnknownTask):
                await refused
        assert await store.record([event]) == 0
        assert await store.add_labels(task_id, labels(event.prediction_ids, event.sealed, [1] * 3, [True] * 3)) == 0
        assert await store.counts(task_id) == Counts(0, 0, 0)
        assert await store.latest_event_time_us(task_id) is None
        assert await store.windows(task_id) == []
        assert await store.retain(task_id, 1) == 0
        assert await store.budget_spent(task_id, [7]) == {7: 0}
        assert (await store.reference(task_id, Split.TRAIN)).row_numbers == []
        await store.delete(task_id)

    case.tell(story)


def test_policy_versions_follow_one_another(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make, Policy(D_target=0.1, KL_eps=1e-9))
        assert await store.policy(task_id) == Policy(D_target=0.1, KL_eps=1e-9)
        second = Policy(version=2, max_dissonance=0.25)
        await store.set_policy(task_id, second, reason="tighter", by="operator")
        for wrong in (1, 2, 4):
            with pytest.raises(PolicyInvalid):
                await store.set_policy(task_id, Policy(version=wrong), reason="r", by="b")
        assert await store.policy(task_id) == second

    case.tell(story)


def test_two_replicas_set_a_policy_and_one_wins(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        outcomes = await asyncio.gather(
            *(store.set_policy(task_id, Policy(version=2), reason="r", by="b") for store in (one, two)),
            return_exceptions=True,
        )
        assert sorted(type(outcome) for outcome in outcomes if outcome is not None) == [PolicyInvalid]

    case.tell_of_two(story)


def test_reference_rows_come_back_by_split_in_file_order(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        rows = ReferenceRows(
            row_numbers=[5, 0, 3, 9],
            splits=[Split.GOLDEN, Split.TRAIN, Split.GOLDEN, Split.CRITIC],
            data_subjects=[b"a" * 16, b"b" * 16, b"a" * 16, b"c" * 16],
            sealed=[b"five", b"zero", b"three", b"nine"],
        )
        assert await store.add_reference(task_id, rows) == 4
        assert await store.add_reference(task_id, msgspec.structs.replace(rows, sealed=[b"other"] * 4)) == 0
        golden = await store.reference(task_id, Split.GOLDEN)
        assert golden == ReferenceRows([3, 5], [Split.GOLDEN] * 2, [b"a" * 16] * 2, [b"three", b"five"])
        assert await store.golden_data_subjects(task_id) == {b"a" * 16}
        assert await store.add_reference(task_id, ReferenceRows([], [], [], [])) == 0

    case.tell(story)


def test_a_fresh_holdout_retires_the_one_before_and_is_a_link_of_the_chain_or_nothing_happens(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        before = ReferenceRows(
            [0, 1, 2], [Split.GOLDEN, Split.TRAIN, Split.GOLDEN], [b"a" * 16, b"b" * 16, b"c" * 16], [b"0", b"1", b"2"]
        )
        fresh = ReferenceRows([3, 4], [Split.GOLDEN] * 2, [b"d" * 16, b"e" * 16], [b"3", b"4"])
        await store.add_reference(task_id, before)
        taken = msgspec.structs.replace(fresh, row_numbers=[2, 3])
        with pytest.raises(EngineError):
            await store.refresh_golden(task_id, taken, decision_of(task_id, "taken", DecisionKind.HOLDOUT_REFRESHED))
        assert (await store.reference(task_id, Split.GOLDEN)).row_numbers == [0, 2]
        assert await store.decisions(task_id) == []
        decision = decision_of(task_id, "fresh", DecisionKind.HOLDOUT_REFRESHED)
        assert await store.refresh_golden(task_id, fresh, decision) == 2
        assert await store.reference(task_id, Split.GOLDEN) == fresh
        assert (await store.reference(task_id, Split.RETIRED)).row_numbers == [0, 2]
        assert (await store.reference(task_id, Split.TRAIN)).row_numbers == [1]
        assert await store.golden_data_subjects(task_id) == {each * 16 for each in (b"a", b"c", b"d", b"e")}
        assert [kept.decision for kept in await store.decisions(task_id)] == [decision]
        assert await store.verify_chain(task_id) == 1
        with pytest.raises(UnknownTask):
            await store.refresh_golden(NO_TASK, fresh, decision_of(NO_TASK, "fresh", DecisionKind.HOLDOUT_REFRESHED))

    case.tell(story)


def test_reference_rows_of_several_thousand_are_all_kept(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        n = 4_500
        rows = ReferenceRows(list(range(n)), [Split.TRAIN] * n, [b"s" * 16] * n, [str(i).encode() for i in range(n)])
        assert await store.add_reference(task_id, rows) == n
        assert await store.reference(task_id, Split.TRAIN) == rows
        parts = [page.sealed async for page in store.reference_pages(task_id, Split.TRAIN)]
        assert len(parts) > 1
        assert [each for part in parts for each in part] == rows.sealed

    case.tell(story)


def test_deleted_task_leaves_nothing_and_its_name_is_free(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task, other = case.make.task(), await with_task(store, case.make)
        answer = IdempotentAnswer(b"k" * 32, b"b" * 32, b"answer")
        event, others = case.make.judged(task.task_id), case.make.judged(other)
        await store.create(task, Policy())
        await store.record([event, others])
        await store.record_verdicts(task.task_id, case.make.verdict_rows(event), {})
        await store.add_labels(task.task_id, labels(event.prediction_ids, [b"l"] * 3, [1] * 3, [True] * 3))
        await store.save_window(case.make.window(task.task_id))
        await store.reserve(task.task_id, [answer], 10)
        await store.delete(task.task_id)
        await store.delete(task.task_id)
        assert await store.record([event]) == 0
        await store.create(task, Policy())
        assert await store.counts(task.task_id) == Counts(0, 0, 0)
        assert await store.judged(task.task_id, event.prediction_ids) == {}
        assert await store.verify_chain(task.task_id) == 0
        assert await store.windows(task.task_id) == []
        assert await store.reserve(task.task_id, [answer], 20) == {}
        assert await store.counts(other) == Counts(3, 0, 0)

    case.tell(story)


def test_store_that_answers_is_ready(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        await store.ready()

    case.tell(story)
