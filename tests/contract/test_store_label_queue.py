"""The label queue: asked once, held by one, settled once."""

from __future__ import annotations

import asyncio

from dissonance.contracts.policy import Policy
from dissonance.ports.labels import AskedAs, QueueCounts, RequestState
from dissonance.ports.store import Store
from support.requests import asked
from support.store import NO_TASK, StoreCase, with_task

DAY_US = 86_400_000_000


def test_a_request_is_asked_once_and_counted_on_its_day(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 3, event_times_us=[0, DAY_US - 1, DAY_US])
        kinds = [AskedAs.RANDOM_CHECK, AskedAs.CHOSEN, AskedAs.BY_HAND]
        requests = [asked(event, i, kind) for i, kind in enumerate(kinds)]
        assert await store.ask(task_id, requests) == 3
        assert await store.ask(task_id, requests) == 0
        assert await store.ask(NO_TASK, requests) == 0
        assert await store.asked_on(task_id, [0, 1]) == {0: 2}
        assert await store.requests(task_id) == requests[::-1]
        assert await store.requests(task_id, state=RequestState.LEASED) == []
        assert await store.requests_for(task_id, event.prediction_ids[:1]) == requests[:1]
        assert await store.request(task_id, event.prediction_ids[2]) == requests[2]
        assert await store.request(task_id, case.make.ids.next()) is None

    case.tell(story)


def test_second_looks_are_leased_first_then_the_random_check_then_the_newest(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 4, event_times_us=[4, 3, 2, 1])
        kinds = [AskedAs.CHOSEN, AskedAs.CHOSEN, AskedAs.RANDOM_CHECK, AskedAs.SECOND_LOOK]
        await store.ask(task_id, [asked(event, i, kind) for i, kind in enumerate(kinds)])
        taken = await store.lease(task_id, 3, by="ann", now_us=10, until_us=20)
        assert {each.asked_as for each in taken} == {AskedAs.SECOND_LOOK, AskedAs.RANDOM_CHECK, AskedAs.CHOSEN}
        assert {each.event_time_us for each in taken} == {1, 2, 4}
        assert all((each.state, each.leased_by, each.leased_until_us) == ("leased", "ann", 20) for each in taken)
        [last] = await store.lease(task_id, 3, by="bob", now_us=10, until_us=30)
        assert last.event_time_us == 3
        assert await store.lease(task_id, 3, by="bob", now_us=19, until_us=30) == []
        assert len(await store.lease(task_id, 9, by="eve", now_us=20, until_us=40)) == 3

    case.tell(story)


def test_two_who_lease_at_once_never_get_the_same(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        event = case.make.judged(task_id, 40)
        await one.ask(task_id, [asked(event, i) for i in range(40)])
        leases = [
            store.lease(task_id, 4, by=name, now_us=1, until_us=2)
            for _ in range(6)
            for store, name in ((one, "ann"), (two, "bob"))
        ]
        taken = [each.request_id for lease in await asyncio.gather(*leases) for each in lease]
        assert len(taken) == len(set(taken)) == 40

    case.tell_of_two(story)


def test_only_who_holds_a_request_returns_it_and_what_is_settled_stays(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 2, event_times_us=[2, 1])
        await store.ask(task_id, [asked(event, 0), asked(event, 1)])
        await store.lease(task_id, 2, by="ann", now_us=1, until_us=9)
        first, second = event.prediction_ids
        assert await store.settle(task_id, [first], RequestState.OPEN, by="bob") == 0
        assert await store.settle(task_id, [first], RequestState.OPEN, by="ann") == 1
        assert await store.settle(task_id, [second], RequestState.SKIPPED, by="ann") == 1
        assert await store.settle(task_id, [second], RequestState.ANSWERED) == 0
        counts = await store.queue_counts(task_id, 100)
        assert counts == QueueCounts({RequestState.OPEN: 1, RequestState.SKIPPED: 1}, {AskedAs.CHOSEN: 2})

    case.tell(story)


def test_a_label_that_came_another_way_answers_what_was_asked_but_not_the_second_look(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 1)
        again = asked(event, 0, AskedAs.SECOND_LOOK, request_id=case.make.randomness.token(16))
        await store.ask(task_id, [asked(event, 0), again])
        assert await store.settle_answered(task_id, event.prediction_ids) == 1
        assert await store.settle_answered(task_id, event.prediction_ids) == 0
        assert [each.asked_as for each in await store.requests(task_id, state=RequestState.OPEN)] == ["second_look"]

    case.tell(story)


def test_a_lease_that_ran_out_is_counted_as_open(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 1)
        await store.ask(task_id, [asked(event, 0)])
        await store.lease(task_id, 1, by="ann", now_us=1, until_us=9)
        assert (await store.queue_counts(task_id, 8)).by_state == {RequestState.LEASED: 1}
        assert (await store.queue_counts(task_id, 9)).by_state == {RequestState.OPEN: 1}

    case.tell(story)


def test_requests_go_with_their_rows_and_with_their_task(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make, Policy())
        event = case.make.judged(task_id, 2)
        await store.record([event])
        await store.ask(task_id, [asked(event, 0)])
        await store.retain(task_id, case.make.clock.now_us() + 1)
        assert await store.requests(task_id) == []
        later = case.make.judged(task_id, 1)
        await store.ask(task_id, [asked(later, 0)])
        await store.delete(task_id)
        assert await store.requests(task_id) == []

    case.tell(story)
