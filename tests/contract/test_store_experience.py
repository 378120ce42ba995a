"""Experience, its labels and its figures: what every experience store keeps to."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.errors import MalformedEvent
from dissonance.ports.store import Counts, LearnableRows, Split, Store, Sureness, WindowFigures
from support.store import NO_TASK, WEEK_S, StoreCase, labels, learnable, with_task


def test_recorded_rows_come_back_whole(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 2, confidences=[0.1, 1.0], dissonances=[0.3, 0.0], critic_digest="")
        assert await store.record([event]) == 2
        found = await store.find(task_id, event.prediction_ids)
        for i, prediction_id in enumerate(event.prediction_ids):
            row = found[prediction_id]
            assert (row.prediction_id, row.data_subject) == (prediction_id, event.data_subjects[i])
            assert (row.event_time_us, row.processing_time_us) == (
                event.event_times_us[i],
                event.processing_times_us[i],
            )
            assert (row.sealed, row.model_digest, row.critic_digest) == (event.sealed[i], event.model_digest, "")
            assert (row.policy_version, row.verdict, row.reason) == (1, Verdict.ADMITTED, Reason.AGREED)
            assert (row.confidence, row.dissonance) == (event.confidences[i], event.dissonances[i])
            assert (row.label_sealed, row.labelled_at_us, row.right) == (None, None, None)

    case.tell(story)


def test_recording_again_stores_only_what_is_new(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        first, second = case.make.judged(task_id, 3), case.make.judged(task_id, 4)
        assert await store.record([first]) == 3
        changed = msgspec.structs.replace(first, sealed=[b"other"] * 3)
        assert await store.record([changed, second, second]) == 4
        assert await store.counts(task_id) == Counts(7, 0, 0)
        kept = await store.find(task_id, first.prediction_ids)
        assert [kept[each].sealed for each in first.prediction_ids] == first.sealed
        assert await store.record([]) == 0

    case.tell(story)


def test_messages_of_several_tasks_are_recorded_together(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        one, two = await with_task(store, case.make), await with_task(store, case.make)
        events = [
            case.make.judged(one, 2, model_digest="01" * 32),
            case.make.judged(two, 3, model_digest="02" * 32),
            case.make.judged(NO_TASK, 1),
        ]
        assert await store.record(events) == 5
        assert {row.model_digest for row in await store.between(one, 0, 2**62)} == {"01" * 32}
        assert {row.model_digest for row in await store.between(two, 0, 2**62)} == {"02" * 32}
        assert await store.outcomes(one, events[1].prediction_ids) == {}
        assert await store.find(one, events[1].prediction_ids) == {}
        found = await store.find(two, events[1].prediction_ids)
        outcomes = await store.outcomes(two, events[1].prediction_ids)
        assert outcomes.keys() == set(events[1].prediction_ids)
        assert all(
            (told.confidence, told.dissonance, told.verdict, told.reason)
            == (found[each].confidence, found[each].dissonance, found[each].verdict, found[each].reason)
            for each, told in outcomes.items()
        )

    case.tell(story)


def test_more_rows_than_one_statement_takes_are_all_stored(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        assert await store.record([case.make.judged(task_id, 1_500) for _ in range(3)]) == 4_500
        assert await store.counts(task_id) == Counts(4_500, 0, 0)

    case.tell(story)


def test_two_learners_store_the_same_rows_at_once(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        for _ in range(5):
            event = case.make.judged(task_id, 50)
            backwards = msgspec.structs.replace(event, prediction_ids=event.prediction_ids[::-1])
            assert sum(await asyncio.gather(one.record([event]), two.record([backwards]))) == 50
        assert await one.counts(task_id) == Counts(250, 0, 0)

    case.tell_of_two(story)


def test_two_replicas_reach_a_new_week_at_once(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        for _ in range(4):
            case.make.clock.advance(WEEK_S)
            events = [case.make.judged(task_id, 5) for _ in range(2)]
            assert await asyncio.gather(one.record(events[:1]), two.record(events[1:])) == [5, 5]
        assert await two.counts(task_id) == Counts(40, 0, 0)

    case.tell_of_two(story)


@pytest.mark.parametrize("wrong", [b"short", bytes(16), bytes(range(16))])
def test_prediction_id_that_is_no_uuid7_is_refused_and_nothing_stored(case: StoreCase, wrong: bytes) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 2)
        event = msgspec.structs.replace(event, prediction_ids=[event.prediction_ids[0], wrong])
        with pytest.raises(MalformedEvent):
            await store.record([event])
        with pytest.raises(MalformedEvent):
            await store.record_verdicts(task_id, case.make.verdict_rows(event), {})
        assert await store.counts(task_id) == Counts(0, 0, 0)

    case.tell(story)


def test_digest_that_is_not_hex_is_refused_and_nothing_stored(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        with pytest.raises(MalformedEvent):
            await store.record([case.make.judged(task_id), case.make.judged(task_id, model_digest="latest")])
        assert await store.counts(task_id) == Counts(0, 0, 0)

    case.tell(story)


def test_latest_label_wins_whatever_order_they_come_in(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 1)
        await store.record([event])
        ids = event.prediction_ids
        assert await store.add_labels(task_id, labels(ids, [b"second"], [200], [True])) == 1
        assert await store.add_labels(task_id, labels(ids, [b"second"], [200], [True])) == 0
        assert await store.add_labels(task_id, labels(ids, [b"first"], [100], [False])) == 0
        assert await store.add_labels(task_id, labels(ids * 2, [b"third", b"fourth"], [300, 400], [True, False])) == 1
        row = (await store.find(task_id, ids))[ids[0]]
        assert (row.label_sealed, row.labelled_at_us, row.right) == (b"fourth", 400, False)
        assert (await store.counts(task_id)).labelled == 1

    case.tell(story)


def test_label_of_a_row_that_is_not_stored_under_the_task_changes_nothing(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        event = case.make.judged(task_id, 1)
        await store.record([event])
        unknown = case.make.ids.next()
        assert await store.add_labels(task_id, labels([unknown], [b"l"], [1], [True])) == 0
        assert await store.add_labels(other, labels(event.prediction_ids, [b"l"], [1], [True])) == 0
        assert await store.add_labels(task_id, labels([], [], [], [])) == 0
        assert (await store.counts(task_id)).labelled == 0

    case.tell(story)


def test_between_is_half_open_and_ordered_and_leaves_out_the_older_when_asked(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 5, event_times_us=[50, 10, 30, 20, 40])
        await store.record([event])
        rows = await store.between(task_id, 20, 50)
        assert [row.event_time_us for row in rows] == [20, 30, 40]
        assert [row.event_time_us for row in await store.between(task_id, 0, 99, newest=2)] == [40, 50]
        assert await store.between(task_id, 51, 99) == []
        assert await store.latest_event_time_us(task_id) == 50

    case.tell(story)


def test_learnable_is_admitted_and_labelled_in_order_of_ids(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        admitted = case.make.judged(
            task_id, 3, event_times_us=[30, 20, 10], model_digest="0a" * 32, shadow_digest="0b" * 32
        )
        blocked = case.make.judged(task_id, 1, verdict=Verdict.BLOCKED, reason=Reason.RANGE)
        await store.record([admitted, blocked])
        labelled = [*admitted.prediction_ids[:2], *blocked.prediction_ids]
        await store.add_labels(task_id, labels(labelled, [b"l", b"longer", b"l"], [1] * 3, [True] * 3))
        order = sorted(range(2), key=admitted.prediction_ids.__getitem__)
        assert await learnable(store, task_id) == LearnableRows(
            event_times_us=[admitted.event_times_us[i] for i in order],
            prediction_ids=[admitted.prediction_ids[i] for i in order],
            data_subjects=[admitted.data_subjects[i] for i in order],
            sealed=[admitted.sealed[i] for i in order],
            labels_sealed=[[b"l", b"longer"][i] for i in order],
            model_digests=["0a" * 32] * 2,
            label_sources=["api"] * 2,
        )
        assert await store.counts(task_id) == Counts(admitted=3, blocked=1, labelled=3)

    case.tell(story)


def test_learnable_of_many_parts_is_all_of_it_and_no_more(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        times = [[number % 3 for number in range(n)] for n in (1_500, 1_500, 7)]
        events = [case.make.judged(task_id, len(each), event_times_us=each) for each in times]
        await store.record([*events, case.make.judged(other, 3)])
        ids = [each for event in events for each in event.prediction_ids]
        await store.add_labels(task_id, labels(ids, [b"l"] * len(ids), [1] * len(ids), [True] * len(ids)))
        parts = [part.prediction_ids async for part in store.learnable(task_id)]
        assert len(parts) > 1
        assert [each for part in parts for each in part] == sorted(ids)

    case.tell(story)


def test_learnable_as_of_a_time_is_what_was_stored_and_labelled_by_then(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 3)
        await store.record([event])
        at_us = max(event.processing_times_us)
        ids = event.prediction_ids
        await store.add_labels(task_id, labels(ids, [b"l"] * 3, [at_us, at_us + 1, at_us + 2], [True] * 3))
        for later, known in ((-1, 0), (0, 1), (1, 2), (2, 3)):
            parts = [part.prediction_ids async for part in store.learnable(task_id, at_us + later)]
            assert sorted(each for part in parts for each in part) == sorted(ids[:known])
        processed = min(event.processing_times_us)
        assert [part async for part in store.learnable(task_id, processed - 1)] == []

    case.tell(story)


def test_answered_are_the_newest_of_a_model_outside_the_window_as_it_answered_or_shadowed(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        one, two = "0a" * 32, "0b" * 32
        served = case.make.judged(task_id, 5, event_times_us=[10, 20, 30, 40, 50], model_digest=one)
        shadowed = case.make.judged(task_id, 2, event_times_us=[15, 60], model_digest=two, shadow_digest=one)
        other = case.make.judged(task_id, 1, event_times_us=[70], model_digest=two)
        await store.record([served, shadowed, other])
        ids = [*served.prediction_ids, *shadowed.prediction_ids, *other.prediction_ids]
        await store.add_labels(task_id, labels(ids, [b"l"] * 8, [1] * 8, [True] * 8))
        outside = case.make.window(task_id, 30, end_us=50)
        assert (await store.answered(task_id, one, outside, 99)).event_times_us == [10, 15, 20, 50, 60]
        newest = await store.answered(task_id, one, outside, 2)
        assert newest.prediction_ids == [served.prediction_ids[4], shadowed.prediction_ids[1]]
        assert newest.model_digests == [one, two]
        assert (await store.answered(task_id, "0c" * 32, outside, 9)).prediction_ids == []

    case.tell(story)


def test_no_learnable_rows_have_no_parts(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        assert [part async for part in store.learnable(task_id)] == []
        assert [part async for part in store.reference_pages(task_id, Split.TRAIN)] == []

    case.tell(story)


def test_least_sure_rows_are_ranked_and_equally_sure_ones_counted_together(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        times, confidences = [0, 1, 2, 3, 4], [0.5, 0.75, 0.25, 1.0, 0.5]
        await store.record([case.make.judged(task_id, 5, event_times_us=times, confidences=confidences)])
        assert await store.least_sure(task_id, 0, 4, 1) == Sureness(0.0, 1)
        assert await store.least_sure(task_id, 0, 4, 2) == Sureness(0.5, 3), "at 0.25 it is as sure as at 0.75"
        assert await store.least_sure(task_id, 0, 4, 4) == Sureness(1.0, 4)
        assert await store.least_sure(task_id, 0, 4, 5) is None

    case.tell(story)


def test_figures_sum_the_rows_of_a_window(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(
            task_id,
            4,
            event_times_us=[0, 1, 2, 3],
            confidences=[0.5, 0.25, 0.125, 1.0],
            dissonances=[0.5, 0.25, 0.125, 1.0],
        )
        await store.record([event])
        await store.add_labels(task_id, labels(event.prediction_ids[1:], [b"l"] * 3, [1] * 3, [True, False, True]))
        assert await store.figures(task_id, 0, 3, 0.125) == WindowFigures(
            3, 2, 1, 0.875, 0.875, 2, sum_variance=0.546875, sum_delay_us=-1.0
        )
        assert await store.figures(task_id, 9, 10, 0.125) == WindowFigures(0, 0, 0, 0.0, 0.0, 0)

    case.tell(story)
