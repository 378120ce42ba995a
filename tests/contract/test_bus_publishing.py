"""Publishing, watching and closing: what every bus holds to, in memory and on a real JetStream."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.contracts.codec import encode
from dissonance.contracts.events import LabelsJoined
from dissonance.errors import EngineUnavailable
from dissonance.ports.bus import Delivery
from support.bus import BOTH, SHORT_S, WINDOWS, BusKit, ack_all, collect, numbers, until_lag
from support.events import CURRENT, evaluated, joined


def test_a_published_event_arrives_with_its_bytes_unchanged(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        for kind, event in CURRENT.items():
            await bus.publish([event])
            async with bus.subscribe("reader", [kind]) as subscription:
                [delivery] = await collect(subscription, 1)
                assert (delivery.data, delivery.kind, delivery.attempt) == (encode(event), kind, 1)
                await delivery.ack()
        await bus.close()

    asyncio.run(scenario())


def test_publishing_returns_after_every_event_is_in(kit: BusKit) -> None:
    async def scenario() -> None:
        bus, other = await kit.connect(), await kit.connect()
        await bus.publish([])
        await bus.publish([evaluated(number) for number in range(10_000)])
        assert await other.lag("reader", WINDOWS) == 10_000
        await bus.close()
        await other.close()

    asyncio.run(scenario())


def test_calls_that_publish_at_once_do_not_wait_for_each_other(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await asyncio.gather(*(bus.publish([evaluated(number)]) for number in range(500)))
        async with bus.subscribe("reader", WINDOWS) as subscription:
            taken = await collect(subscription, 500)
        assert sorted(numbers(taken)) == list(range(500))
        await bus.close()

    asyncio.run(scenario())


def test_one_consumer_sees_events_in_the_order_they_were_published(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        async with bus.subscribe("reader", WINDOWS) as subscription:
            await bus.publish([evaluated(number) for number in range(100)])
            await bus.publish([evaluated(number) for number in range(100, 150)])
            assert numbers(await collect(subscription, 150)) == list(range(150))
        await bus.close()

    asyncio.run(scenario())


def test_the_same_event_id_within_the_window_is_kept_once(kit: BusKit) -> None:
    async def scenario() -> None:
        bus, other = await kit.connect(), await kit.connect()
        await bus.publish([evaluated(1), evaluated(2), evaluated(1)])
        await other.publish([evaluated(2), evaluated(3)])
        async with bus.subscribe("reader", WINDOWS) as subscription:
            assert numbers(await collect(subscription, 3)) == [1, 2, 3]
            assert await subscription.fetch(10, 0.05) == []
        await bus.close()
        await other.close()

    asyncio.run(scenario())


def test_the_same_event_id_after_the_window_is_a_new_event(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect(duplicate_window_s=0.1)
        async with bus.subscribe("reader", WINDOWS) as subscription, asyncio.timeout(10):
            taken: list[Delivery] = []
            while len(taken) < 2:
                await bus.publish([evaluated(1)])
                taken += await subscription.fetch(10, 0.2)
        assert numbers(taken) == [1, 1]
        await bus.close()

    asyncio.run(scenario())


def test_every_watcher_sees_every_event_from_now_on(kit: BusKit) -> None:
    async def scenario() -> None:
        first, second = await kit.connect(), await kit.connect()
        await first.publish([evaluated(0)])
        async with first.watch(WINDOWS) as one, second.watch(BOTH) as two, asyncio.timeout(10):
            await first.publish([evaluated(1)])
            await second.publish([evaluated(1), joined(1), evaluated(2)])
            assert [await anext(one), await anext(one)] == [evaluated(1), evaluated(2)]
            seen = [await anext(two) for _ in range(3)]
            assert {event.event_id for event in seen} == {"event-1", "joined-1", "event-2"}
            assert sum(isinstance(event, LabelsJoined) for event in seen) == 1
        await first.close()
        await second.close()

    asyncio.run(scenario())


def test_closing_sends_what_was_acknowledged_and_leaves_the_rest_to_others(kit: BusKit) -> None:
    async def scenario() -> None:
        first, second = await kit.connect(ack_wait_s=SHORT_S), await kit.connect(ack_wait_s=SHORT_S)
        await first.publish([evaluated(number) for number in range(50)])
        async with first.subscribe("reader", WINDOWS) as subscription:
            taken = await collect(subscription, 50)
            await ack_all(taken[:49])
            await first.close()
        await until_lag(second, "reader", WINDOWS, 1)
        async with second.subscribe("reader", WINDOWS) as subscription:
            assert numbers(await collect(subscription, 1)) == [49]
        await second.close()

    asyncio.run(scenario())


def test_a_closed_bus_says_so_and_may_be_closed_again(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.ready()
        async with bus.subscribe("reader", WINDOWS) as subscription:
            await bus.close()
            with pytest.raises(EngineUnavailable):
                await subscription.fetch(1, 0.0)
        await bus.close()
        for call in (bus.ready(), bus.publish([evaluated(1)]), bus.lag("reader", WINDOWS), bus.dead_letters()):
            with pytest.raises(EngineUnavailable):
                await call

    asyncio.run(scenario())
