"""What every store keeps to about one data subject, and about certificates: the double in memory, and PostgreSQL."""

from __future__ import annotations

import msgspec

from dissonance.ports.erasures import Erasure
from dissonance.ports.labels import AskedAs, LabelRequest
from dissonance.ports.store import ReferenceRows, Split, Store
from support.store import StoreCase, with_task

ADA, BOB = b"a" * 16, b"b" * 16


def test_rows_about_one_data_subject_are_found_wherever_they_are(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        now_us = case.make.clock.now_us()
        event = case.make.judged(
            task_id, 3, data_subjects=[ADA, BOB, ADA], event_times_us=[now_us + 9, now_us, now_us + 4]
        )
        await store.record([event, case.make.judged(other, 1, data_subjects=[ADA])])
        splits, sealed = [Split.TRAIN, Split.GOLDEN, Split.GOLDEN], [b"one", b"two", b"three"]
        await store.add_reference(task_id, ReferenceRows([4, 2, 3], splits, [ADA, ADA, BOB], sealed))
        request = LabelRequest(
            request_id=b"r" * 16,
            prediction_id=event.prediction_ids[0],
            data_subject=ADA,
            asked_as=AskedAs.BY_HAND,
            propensity=0.0,
            random_propensity=0.0,
            event_time_us=now_us,
            asked_at_us=now_us,
        )
        await store.ask(task_id, [request, msgspec.structs.replace(request, request_id=b"s" * 16, data_subject=BOB)])
        assert await store.predictions_about(task_id, ADA) == [event.prediction_ids[2], event.prediction_ids[0]]
        assert await store.reference_about(task_id, ADA) == {2: ("golden", b"two"), 4: ("train", b"one")}
        assert await store.requests_about(task_id, ADA) == 1
        assert await store.predictions_about(task_id, b"c" * 16) == []
        assert await store.reference_about(task_id, b"c" * 16) == {}
        assert await store.requests_about(other, ADA) == 0

    case.tell(story)


def test_first_certificate_of_an_erasure_stays_and_outlives_its_task(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        first = Erasure(task_id, ADA, 5, b"first")
        assert await store.erasure(task_id, ADA) is None
        assert await store.keep_erasure(first) == first
        assert await store.keep_erasure(Erasure(task_id, ADA, 6, b"second")) == first
        await store.keep_erasure(Erasure(task_id, BOB, 7, b"other"))
        await store.delete(task_id)
        assert await store.erasure(task_id, ADA) == first
        assert (await store.erased())[task_id] == [ADA, BOB]

    case.tell(story)
