"""JetStream is killed, stopped, emptied and restarted under a running bus: nothing acknowledged is lost, and
everything goes on by itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

import nats
import pytest

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.nats import JetStreamBus
from dissonance.contracts.codec import decode
from dissonance.contracts.events import Event
from dissonance.contracts.topics import DEAD_STREAM, EventKind, stream
from dissonance.errors import EngineError, EngineUnavailable
from dissonance.ports.bus import Delivery, Subscription
from support.bus import PASSWORD, NatsServer, collect, connected, numbers, until_lag
from support.events import evaluated, joined

WINDOWS = [EventKind.WINDOW_EVALUATED]
BOTH = [EventKind.WINDOW_EVALUATED, EventKind.LABELS_JOINED]
QUICK = {"ack_wait_s": 1.0, "duplicate_window_s": 30.0, "stream_max_age_s": 60.0}


async def publish_whatever_happens(bus: JetStreamBus, events: Sequence[Event]) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                return await bus.publish(events)
            except EngineUnavailable:
                await asyncio.sleep(0.05)


async def fetch_whatever_happens(subscription: Subscription, limit: int) -> list[Delivery]:
    try:
        return await subscription.fetch(limit, 0.2)
    except EngineUnavailable:
        await asyncio.sleep(0.05)
        return []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_events_flow_through_a_broker_that_dies_and_comes_back(server: NatsServer, how: signal.Signals) -> None:
    async def scenario() -> None:
        async with connected(server.url, **QUICK) as writer, connected(server.url, **QUICK) as reader:
            seen: set[int] = set()

            async def write() -> None:
                for start in range(0, 2000, 50):
                    await publish_whatever_happens(writer, [evaluated(n) for n in range(start, start + 50)])

            async def read() -> None:
                async with reader.subscribe("reader", WINDOWS) as subscription:
                    while True:
                        for delivery in await fetch_whatever_happens(subscription, 64):
                            seen.add(decode(delivery.data).revision)  # type: ignore[attr-defined]
                            await delivery.ack()

            async def hurt() -> None:
                await asyncio.sleep(0.05)
                await asyncio.to_thread(server.stop, how)
                await asyncio.sleep(0.2)
                await asyncio.to_thread(server.start)

            reading = asyncio.create_task(read())
            async with asyncio.timeout(30):
                await asyncio.gather(write(), hurt())
            # Acknowledgements that died with the broker make their messages come again: the reader goes on reading.
            await until_lag(reader, "reader", WINDOWS, 0, within_s=20)
            reading.cancel()
            assert seen == set(range(2000))
            await until_lag(writer, "count", WINDOWS, 2000)

    asyncio.run(scenario())


def test_while_the_broker_is_away_every_call_says_so_and_works_again_after(server: NatsServer) -> None:
    async def scenario() -> None:
        async with connected(server.url, **QUICK) as bus, bus.subscribe("reader", WINDOWS) as subscription:
            await bus.publish([evaluated(1)])
            [held] = await collect(subscription, 1)
            waiting = asyncio.create_task(subscription.fetch(10, 30.0))
            await asyncio.sleep(0.05)
            server.stop()
            with pytest.raises(EngineUnavailable):
                await waiting
            for call in (
                bus.publish([evaluated(2)]),
                subscription.fetch(1, 0.1),
                bus.lag("reader", WINDOWS),
                bus.dead_letters(),
                bus.ready(),
            ):
                with pytest.raises(EngineUnavailable):
                    await call
            with pytest.raises(EngineUnavailable):
                async with bus.watch(WINDOWS):
                    pass
            server.start()
            await publish_whatever_happens(bus, [evaluated(2)])
            await bus.ready()
            await held.ack()
            # What was held through the outage may have come due meanwhile, and then comes again (at least once).
            while numbers([delivery := (await collect(subscription, 1))[0]]) == [1]:
                assert delivery.attempt > 1
                await delivery.ack()
            assert (decode(delivery.data), delivery.attempt) == (evaluated(2), 1)
            await delivery.ack()
            await until_lag(bus, "reader", WINDOWS, 0)

    asyncio.run(scenario())


def test_a_watcher_is_told_that_it_may_have_missed_something(server: NatsServer) -> None:
    async def scenario() -> None:
        async with connected(server.url, **QUICK) as bus, asyncio.timeout(20):
            async with bus.watch(WINDOWS) as events:
                server.stop()
                with pytest.raises(EngineUnavailable):
                    await anext(events)
            server.start()
            await publish_whatever_happens(bus, [evaluated(1)])
            async with bus.watch(WINDOWS) as events:
                await bus.publish([evaluated(2)])
                assert await anext(events) == evaluated(2)

    asyncio.run(scenario())


def test_a_store_that_came_back_empty_is_not_ready_and_takes_nothing(server: NatsServer) -> None:
    async def scenario() -> None:
        async with connected(server.url, **QUICK) as bus:
            server.stop()
            server.lose_store()
            server.start()
            async with asyncio.timeout(20):
                while True:
                    with pytest.raises(EngineUnavailable) as raised:
                        await bus.ready()
                    if "streams are missing" in str(raised.value):
                        break
                    await asyncio.sleep(0.05)
            assert DEAD_STREAM in str(raised.value) and stream(EventKind.PREDICTED) in str(raised.value)
            with pytest.raises(EngineUnavailable, match="no stream takes this topic"):
                await bus.publish([evaluated(1)])
            async with bus.subscribe("reader", WINDOWS) as subscription:
                with pytest.raises(EngineUnavailable):
                    await subscription.fetch(1, 0.0)

    asyncio.run(scenario())


def test_a_broker_that_is_away_or_refuses_us_at_the_start_is_named_without_the_password(server: NatsServer) -> None:
    async def connect(url: str, timeout_s: float) -> str:
        with pytest.raises(EngineUnavailable) as raised:
            await JetStreamBus.connect(
                url,
                clock=SystemClock(),
                ack_wait_s=1,
                max_deliver=5,
                duplicate_window_s=1,
                stream_max_age_s=60,
                connect_timeout_s=timeout_s,
            )
        return str(raised.value)

    refused = asyncio.run(connect(server.url.replace(PASSWORD, "wrong-secret"), 10.0))
    assert "authorization" in refused.lower() and "wrong-secret" not in refused
    server.stop()
    away = asyncio.run(connect(server.url, 0.3))
    assert "cannot connect" in away and PASSWORD not in away


def test_an_event_above_the_brokers_limit_is_refused_and_not_worth_a_repetition(server: NatsServer) -> None:
    async def scenario() -> None:
        async with connected(server.url, **QUICK) as bus:
            with pytest.raises(EngineError, match="above the broker's limit") as raised:
                await bus.publish([joined(1), joined(2, rows=60_000)])
            assert not isinstance(raised.value, EngineUnavailable)
            assert await bus.lag("reader", BOTH) == 0

    asyncio.run(scenario())


def test_a_consumer_that_was_removed_is_made_again(server: NatsServer) -> None:
    async def scenario() -> None:
        async with connected(server.url, **QUICK) as bus, bus.subscribe("reader", WINDOWS) as subscription:
            waiting = asyncio.create_task(subscription.fetch(1, 30.0))
            await until_consumer_waits(server)
            client = await nats.connect(server.url)
            await client.jetstream().delete_consumer(stream(EventKind.WINDOW_EVALUATED), "reader-window_evaluated")
            await client.close()
            with pytest.raises(EngineUnavailable, match="Consumer Deleted"):
                await waiting
            await bus.publish([evaluated(1)])
            assert decode((await collect(subscription, 1))[0].data) == evaluated(1)

    asyncio.run(scenario())


async def until_consumer_waits(server: NatsServer) -> None:
    client = await nats.connect(server.url)
    async with asyncio.timeout(10):
        while True:
            infos = await client.jetstream().consumers_info(stream(EventKind.WINDOW_EVALUATED))
            if any(info.num_waiting for info in infos):
                break
            await asyncio.sleep(0.02)
    await client.close()


def test_messages_of_another_kind_that_wait_here_are_neither_redelivered_nor_lost(server: NatsServer) -> None:
    async def scenario() -> None:
        async with (
            connected(server.url, **QUICK | {"ack_wait_s": 0.3}) as bus,
            bus.subscribe("reader", BOTH) as subscription,
        ):
            assert await subscription.fetch(1, 0.05) == []
            fetching = asyncio.create_task(subscription.fetch(1, 20.0))
            await asyncio.sleep(0.05)
            await bus.publish([evaluated(1)])
            [first] = await fetching
            await first.ack()
            await bus.publish([joined(1)])  # goes to the request that is still open, and waits in this process
            async with bus.subscribe("reader", BOTH) as replica:
                assert await replica.fetch(1, 1.0) == []
            [second] = await collect(subscription, 1)
            assert (second.kind, second.attempt) == (EventKind.LABELS_JOINED, 1)

    asyncio.run(scenario())


def test_messages_that_wait_here_are_handed_back_when_the_subscription_ends(server: NatsServer) -> None:
    async def scenario() -> None:
        async with connected(server.url, **QUICK | {"ack_wait_s": 600.0}) as bus:
            async with bus.subscribe("reader", BOTH) as subscription:
                fetching = asyncio.create_task(subscription.fetch(1, 20.0))
                await asyncio.sleep(0.1)
                await bus.publish([evaluated(1)])
                await fetching
                await bus.publish([joined(1)])
                await asyncio.sleep(0.1)
            async with bus.subscribe("reader", [EventKind.LABELS_JOINED]) as subscription:
                [delivery] = await collect(subscription, 1)
                assert decode(delivery.data) == joined(1)

    asyncio.run(scenario())


def test_a_process_with_other_settings_brings_the_streams_to_them(server: NatsServer) -> None:
    async def scenario() -> None:
        async with connected(server.url, **QUICK | {"stream_max_age_s": 60.0}) as first:
            await first.publish([evaluated(1)])
        async with connected(server.url, **QUICK | {"stream_max_age_s": 3600.0, "ack_wait_s": 7.0}) as second:
            await second.ready()
            assert await second.lag("reader", WINDOWS) == 1
            async with second.subscribe("reader", WINDOWS) as subscription:
                await collect(subscription, 1)
        client = await nats.connect(server.url)
        streams = {info.config.name: info.config for info in await client.jetstream().streams_info()}
        assert {config.max_age for name, config in streams.items() if name != DEAD_STREAM} == {3600.0}
        assert streams[DEAD_STREAM].max_age == 0
        assert all(config.max_msgs == config.max_bytes == -1 for config in streams.values())
        assert all(config.storage == "file" for config in streams.values())
        await client.close()

    asyncio.run(scenario())
