"""What bounds the queues of the broker: a full stream refuses, and nobody takes more in hand than is allowed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.spool.outbox import SpoolingOutbox
from dissonance.adapters.spool.spool import Spool
from dissonance.errors import StreamFull
from dissonance.ports.breaker import Breaker, BreakerState
from dissonance.telemetry.metrics import Metrics
from support.bus import WINDOWS, NatsServer, collect, connected, numbers, until_lag
from support.events import evaluated


def test_full_stream_refuses_what_is_new_and_keeps_what_is_old(server: NatsServer, tmp_path: Path) -> None:
    async def story() -> None:
        async with connected(server.url) as before:
            await before.publish([evaluated(0)])
        async with connected(server.url, stream_max_bytes=4_000) as bus:
            taken = 1
            with pytest.raises(StreamFull, match="maximum bytes"):
                while True:
                    await bus.publish([evaluated(taken)])
                    taken += 1
            breaker = Breaker("NATS", SystemClock())
            outbox = SpoolingOutbox(bus, Spool(tmp_path / "spool", "a", 2**20), breaker, Metrics())
            with pytest.raises(StreamFull):
                await outbox.publish([evaluated(taken)])
            assert breaker.state is BreakerState.CLOSED and not (tmp_path / "spool").exists()
            async with bus.subscribe("reader", WINDOWS) as subscription:
                assert numbers(await collect(subscription, taken)) == list(range(taken))
        async with connected(server.url) as after:  # the limit is a setting, and gone with it
            await after.publish([evaluated(taken)])
            await until_lag(after, "other", WINDOWS, taken + 1)

    asyncio.run(story())


def test_replicas_together_take_no_more_in_hand_than_is_allowed_and_go_on_when_it_is_answered(
    server: NatsServer,
) -> None:
    async def story() -> None:
        async with connected(server.url) as before, before.subscribe("reader", WINDOWS) as subscription:
            await subscription.fetch(1, 0.0)  # the consumer is there with the limit of before
        async with connected(server.url, max_ack_pending=10) as one, connected(server.url, max_ack_pending=10) as two:
            await one.publish([evaluated(number) for number in range(30)])
            async with one.subscribe("reader", WINDOWS) as first, two.subscribe("reader", WINDOWS) as second:
                held = await collect(first, 10)
                assert await first.fetch(10, 0.3) == []
                assert await second.fetch(10, 0.3) == []
                for delivery in held:
                    await delivery.ack()
                more = await collect(second, 10)
                for delivery in more:
                    await delivery.ack()
                assert sorted(numbers([*held, *more, *await collect(first, 10)])) == list(range(30))

    asyncio.run(story())
