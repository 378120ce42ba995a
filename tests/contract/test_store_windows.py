"""Windows, idempotency keys and retention: what every experience store keeps to."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dissonance.errors import UnknownTask
from dissonance.ports.store import Counts, IdempotentAnswer, Store
from support.estimates import cannot_tell, told
from support.store import WEEK_S, StoreCase, labels, with_task


def test_retention_drops_and_counts_rows_processed_before(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        old = [case.make.judged(task_id, 3), case.make.judged(other, 2)]
        await store.record(old)
        await store.record_verdicts(task_id, case.make.verdict_rows(old[0]), {})
        await store.add_labels(task_id, labels(old[0].prediction_ids, [b"l"] * 3, [1] * 3, [True] * 3))
        case.make.clock.advance(60)
        young = case.make.judged(task_id, 4)
        await store.record([young])
        assert await store.retain(task_id, case.make.clock.now_us()) == 3
        assert await store.retain(task_id, case.make.clock.now_us()) == 0
        assert await store.dropped_by_retention(task_id) == 3
        assert await store.counts(task_id) == Counts(4, 0, 0)
        assert await store.counts(other) == Counts(2, 0, 0)
        assert await store.dropped_by_retention(other) == 0
        assert await store.judged(task_id, old[0].prediction_ids) == {}

    case.tell(story)


def test_retention_of_weeks_leaves_later_weeks_and_other_tasks(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        case.make.clock.advance(40 * WEEK_S)  # weeks in which no other test has rows
        start = case.make.clock.now_us()
        for week in range(4):
            await store.record([case.make.judged(task_id, 10)])
            if week == 1:
                await store.record([case.make.judged(other, 1)])
            case.make.clock.advance(WEEK_S)
        assert await store.retain(task_id, start + 3 * WEEK_S * 1_000_000) == 30
        assert await store.dropped_by_retention(task_id) == 30
        assert await store.counts(task_id) == Counts(10, 0, 0)
        assert await store.counts(other) == Counts(1, 0, 0)

    case.tell(story)


def test_row_of_a_week_that_another_replica_dropped_is_still_stored(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        case.make.clock.advance(60 * WEEK_S)
        assert await one.record([case.make.judged(task_id, 2)]) == 2
        late = case.make.judged(task_id, 3)
        case.make.clock.advance(3 * WEEK_S)
        assert await two.retain(task_id, case.make.clock.now_us()) == 2
        assert await one.record([late]) == 3
        assert await one.record_verdicts(task_id, case.make.verdict_rows(late), {})

    case.tell_of_two(story)


def test_window_is_restated_under_the_next_revision_when_its_figures_change(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        first = case.make.window(task_id, 1_000)
        assert await store.save_window(first) == 1
        assert await store.save_window(first) == 1
        restated = msgspec.structs.replace(first, labelled=4, realised_accuracy=1 / 3, closed=True)
        assert await store.save_window(restated) == 2
        assert await store.save_window(first) == 3
        assert await store.save_window(restated) == 4
        assert await store.windows(task_id) == [msgspec.structs.replace(restated, revision=4)]

    case.tell(story)


def test_the_first_estimate_of_a_window_stays_beside_every_revision_of_it(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        window = case.make.window(task_id, 1_000)
        assert await store.save_window(window) == 1
        assert [each.estimate for each in await store.windows(task_id)] == [None]
        assert await store.save_estimate(task_id, window.window_id, told(1 / 3))
        assert not await store.save_estimate(task_id, window.window_id, cannot_tell())
        assert await store.save_window(window) == 1, "an estimate is of no revision"
        (stated,) = await store.windows(task_id)
        assert await store.save_window(stated) == 1
        assert await store.save_window(msgspec.structs.replace(window, labelled=4)) == 2
        assert [each.estimate for each in await store.windows(task_id)] == [told(1 / 3)]
        assert await store.save_estimate(other, window.window_id, cannot_tell())
        await store.save_window(msgspec.structs.replace(window, task_id=other))
        assert [each.estimate for each in await store.windows(other)] == [cannot_tell()]
        await store.delete(task_id)
        with pytest.raises(UnknownTask):
            await store.save_estimate(task_id, window.window_id, told())

    case.tell(story)


def test_windows_come_newest_first_and_limited(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        for start in (2_000, 1_000, 3_000):
            await store.save_window(case.make.window(task_id, start))
        assert [window.start_us for window in await store.windows(task_id)] == [3_000, 2_000, 1_000]
        assert [window.start_us for window in await store.windows(task_id, limit=1)] == [3_000]

    case.tell(story)


def test_two_evaluators_restate_a_window_at_once(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        windows = [case.make.window(task_id, 0, rows=rows) for rows in range(1, 7)]
        revisions = await asyncio.gather(
            *(store.save_window(each) for store, each in zip([one, two] * 3, windows, strict=True))
        )
        assert sorted(revisions) == [1, 2, 3, 4, 5, 6]

    case.tell_of_two(story)


def test_repeated_idempotency_key_gets_the_first_answer(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        first = IdempotentAnswer(b"k" * 32, b"b" * 32, b"first answer")
        again = IdempotentAnswer(b"k" * 32, b"c" * 32, b"second answer")
        new = IdempotentAnswer(b"n" * 32, b"b" * 32, b"new answer")
        assert await store.reserve(task_id, [first], 10) == {}
        assert await store.reserve(task_id, [again, new], 20) == {first.key_hash: first}
        assert await store.reserve(task_id, [new], 30) == {new.key_hash: new}
        assert await store.reserve(other, [again], 40) == {}
        assert await store.reserve(task_id, [], 50) == {}

    case.tell(story)


def test_key_that_comes_twice_in_one_call_keeps_and_returns_the_first(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        first = IdempotentAnswer(b"k" * 32, b"b" * 32, b"first answer")
        second = IdempotentAnswer(b"k" * 32, b"b" * 32, b"second answer")
        assert await store.reserve(task_id, [first, second], 10) == {first.key_hash: first}

    case.tell(story)


def test_two_replicas_reserve_the_same_key_and_agree(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        answers = [IdempotentAnswer(b"k" * 32, b"b" * 32, name) for name in (b"one", b"two")]
        earlier = await asyncio.gather(one.reserve(task_id, answers[:1], 1), two.reserve(task_id, answers[1:], 1))
        winner = answers[[not each for each in earlier].index(True)]
        assert sorted(map(len, earlier)) == [0, 1]
        assert {**earlier[0], **earlier[1]} == {winner.key_hash: winner}

    case.tell_of_two(story)


def test_old_idempotency_keys_are_forgotten(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        await store.forget_idempotency(2**62)
        old, young = (IdempotentAnswer(name * 32, b"b" * 32, b"answer") for name in (b"o", b"y"))
        await store.reserve(task_id, [old], 10)
        await store.reserve(task_id, [young], 20)
        assert await store.forget_idempotency(20) == 1
        assert await store.reserve(task_id, [old, young], 30) == {young.key_hash: young}

    case.tell(story)
