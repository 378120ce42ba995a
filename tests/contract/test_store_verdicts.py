"""Verdicts, the hourly budget and the chain over them: what every experience store keeps to."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dissonance.contracts.times import HOUR_US
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.errors import SealBroken
from dissonance.ports.store import Store
from support.store import StoreCase, with_task


def test_verdicts_are_recorded_once_and_read_back(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id)
        rows = case.make.verdict_rows(event, Reason.AGREED)
        assert await store.judged(task_id, event.prediction_ids) == {}
        assert await store.record_verdicts(task_id, rows, {})
        expected = (Verdict.ADMITTED, Reason.AGREED, 1)
        assert await store.judged(task_id, event.prediction_ids) == dict.fromkeys(event.prediction_ids, expected)
        assert await store.judged(task_id, [*case.make.ids.many(1)]) == {}
        assert await store.judged(task_id, []) == {}

    case.tell(story)


def test_verdicts_with_an_id_already_judged_change_nothing(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        first, second = case.make.judged(task_id, 2), case.make.judged(task_id, 2)
        assert await store.record_verdicts(task_id, case.make.verdict_rows(first), {})
        hour = first.event_times_us[0] // HOUR_US
        mixed = msgspec.structs.replace(second, prediction_ids=[second.prediction_ids[0], first.prediction_ids[0]])
        assert not await store.record_verdicts(task_id, case.make.verdict_rows(mixed), {hour: 2})
        assert await store.judged(task_id, second.prediction_ids) == {}
        assert await store.budget_spent(task_id, [hour]) == {hour: 2}
        assert await store.verify_chain(task_id) == 1

    case.tell(story)


def test_budget_counts_only_rows_admitted_under_it_by_hour_of_event_time(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        times = [0, HOUR_US - 1, HOUR_US, -1]
        within = case.make.judged(task_id, 4, event_times_us=times)
        agreed = case.make.judged(task_id, 1, event_times_us=[0])
        assert await store.record_verdicts(task_id, case.make.verdict_rows(within), {0: 0})
        assert await store.record_verdicts(task_id, case.make.verdict_rows(agreed, Reason.AGREED), {0: 2})
        assert await store.budget_spent(task_id, [-1, 0, 1, 2]) == {-1: 1, 0: 2, 1: 1, 2: 0}

    case.tell(story)


def test_budget_that_moved_since_it_was_read_refuses_the_verdicts(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        first = case.make.judged(task_id, 2, event_times_us=[0, 0])
        second = case.make.judged(task_id, 1, event_times_us=[0])
        assert await store.record_verdicts(task_id, case.make.verdict_rows(first), {})
        for stale in ({}, {0: 0}, {0: 1}, {0: 2, 5: 1}):
            assert not await store.record_verdicts(task_id, case.make.verdict_rows(second), stale)
        assert await store.judged(task_id, second.prediction_ids) == {}
        assert await store.record_verdicts(task_id, case.make.verdict_rows(second), {0: 2})
        assert await store.verify_chain(task_id) == 2

    case.tell(story)


def test_two_gates_spend_the_same_budget_and_one_is_told_to_decide_again(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        for spent in range(5):
            events = [case.make.judged(task_id, 1, event_times_us=[0]) for _ in range(2)]
            outcomes = await asyncio.gather(
                *(
                    store.record_verdicts(task_id, case.make.verdict_rows(event), {0: spent})
                    for store, event in zip((one, two), events, strict=True)
                )
            )
            assert sorted(outcomes) == [False, True]
        assert await one.budget_spent(task_id, [0]) == {0: 5}
        assert await two.verify_chain(task_id) == 5

    case.tell_of_two(story)


def test_two_gates_judge_the_same_rows_and_one_is_told_to_decide_again(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        rows = case.make.verdict_rows(case.make.judged(task_id), Reason.AGREED)
        outcomes = await asyncio.gather(*(store.record_verdicts(task_id, rows, {}) for store in (one, two)))
        assert sorted(outcomes) == [False, True]
        assert await one.verify_chain(task_id) == 1

    case.tell_of_two(story)


def test_no_verdicts_add_no_link(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        empty = case.make.verdict_rows(case.make.judged(task_id))
        empty = msgspec.structs.replace(empty, prediction_ids=[], event_times_us=[], verdicts=[], reasons=[])
        assert await store.record_verdicts(task_id, empty, {})
        assert await store.verify_chain(task_id) == 0

    case.tell(story)


def test_chain_with_tampered_evidence_is_found_out(case: StoreCase) -> None:
    ids: list[str] = []

    async def filled(store: Store) -> None:
        ids.append(await with_task(store, case.make))
        for number in range(3):
            rows = case.make.verdict_rows(case.make.judged(ids[0], 1), Reason.AGREED, evidence=b"%d" % number)
            assert await store.record_verdicts(ids[0], rows, {})
        assert await store.verify_chain(ids[0]) == 3

    async def found_out(store: Store) -> None:
        with pytest.raises(SealBroken, match="link 2 "):
            await store.verify_chain(ids[0])

    case.tell(filled)
    case.tamper_with_evidence(ids[0], 2)
    case.tell(found_out)


def test_chain_without_its_last_link_is_found_out(case: StoreCase) -> None:
    ids: list[str] = []

    async def filled(store: Store) -> None:
        ids.append(await with_task(store, case.make))
        for _ in range(2):
            rows = case.make.verdict_rows(case.make.judged(ids[0], 1), Reason.AGREED)
            assert await store.record_verdicts(ids[0], rows, {})

    async def found_out(store: Store) -> None:
        with pytest.raises(SealBroken, match="link 2 "):
            await store.verify_chain(ids[0])

    case.tell(filled)
    case.drop_last_link(ids[0])
    case.tell(found_out)
