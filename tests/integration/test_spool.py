"""NATS is stopped and started under an outbox that spools: everything taken arrives, once, and a kill loses nothing."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.nats import JetStreamBus
from dissonance.adapters.spool.outbox import SpoolingOutbox
from dissonance.adapters.spool.spool import Spool
from dissonance.errors import EngineUnavailable
from dissonance.ports.breaker import Breaker
from dissonance.telemetry.metrics import Metrics
from support.bus import WINDOWS, NatsServer, collect, connected, numbers, until_lag
from support.events import evaluated


def outbox_on(bus: JetStreamBus, folder: Path, name: str = "a", limit: int = 2**24) -> SpoolingOutbox:
    return SpoolingOutbox(bus, Spool(folder, name, limit), Breaker("NATS", SystemClock()), Metrics())


async def until_ready(bus: JetStreamBus) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                return await bus.ready()
            except EngineUnavailable:
                await asyncio.sleep(0.05)


async def published(bus: JetStreamBus, count: int) -> list[int]:
    await until_ready(bus)
    async with bus.subscribe("reader", WINDOWS) as subscription:
        taken = numbers(await collect(subscription, count, within_s=20))
    await until_lag(bus, "reader", WINDOWS, count)
    return taken


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_events_go_on_while_the_broker_is_away_and_follow_when_it_is_back(
    server: NatsServer, tmp_path: Path, how: signal.Signals
) -> None:
    async def story() -> None:
        spooled = tmp_path / "spool"
        async with connected(server.url, ack_wait_s=5.0) as bus:
            outbox = outbox_on(bus, spooled)
            draining = asyncio.create_task(outbox.drain())
            for number in range(20):
                await outbox.publish([evaluated(number)])
            await asyncio.to_thread(server.stop, how)
            for number in range(20, 60):
                await outbox.publish([evaluated(number)])
            assert len(list(spooled.glob("*"))) == 1
            await asyncio.to_thread(server.start)
            for number in range(60, 80):
                await outbox.publish([evaluated(number)])
                await asyncio.sleep(0.05)
            taken = await published(bus, 80)
            assert sorted(taken) == list(range(80))
            assert [number for number in taken if 20 <= number < 60] == list(range(20, 60))
            while list(spooled.glob("*")):
                await asyncio.sleep(0.05)
            draining.cancel()
            await outbox.close()

    asyncio.run(story())


def test_broker_that_stands_still_costs_one_batch_its_limit_and_the_others_nothing(
    server: NatsServer, tmp_path: Path
) -> None:
    async def story() -> None:
        async with connected(server.url, ack_wait_s=5.0) as bus:
            outbox = outbox_on(bus, tmp_path / "spool")
            draining = asyncio.create_task(outbox.drain())
            server.signal(signal.SIGSTOP)
            async with asyncio.timeout(30):
                for number in range(100):
                    await outbox.publish([evaluated(number)])
            server.signal(signal.SIGCONT)
            assert sorted(await published(bus, 100)) == list(range(100))
            draining.cancel()
            await outbox.close()

    asyncio.run(story())


def test_process_that_was_killed_with_a_spool_is_followed_by_one_that_drains_it(
    server: NatsServer, tmp_path: Path
) -> None:
    async def story() -> None:
        spooled = tmp_path / "spool"
        async with connected(server.url, ack_wait_s=5.0) as bus:
            first = outbox_on(bus, spooled)
            await asyncio.to_thread(server.stop)
            for number in range(10):
                await first.publish([evaluated(number)])
            first._spool.close()  # locks end with a process; nothing else of it is needed
            await asyncio.to_thread(server.start)
            second = outbox_on(bus, spooled, "b")
            draining = asyncio.create_task(second.drain())
            assert await published(bus, 10) == list(range(10))
            draining.cancel()
            await second.close()
            assert list(spooled.glob("*")) == []

    asyncio.run(story())


def test_full_spool_says_so_and_keeps_what_it_took(server: NatsServer, tmp_path: Path) -> None:
    async def story() -> None:
        async with connected(server.url, ack_wait_s=5.0) as bus:
            outbox = outbox_on(bus, tmp_path / "spool", limit=2_000)
            draining = asyncio.create_task(outbox.drain())
            await asyncio.to_thread(server.stop)
            taken = 0
            with pytest.raises(EngineUnavailable, match="spool"):
                while True:
                    await outbox.publish([evaluated(taken)])
                    taken += 1
            assert taken > 3
            await asyncio.to_thread(server.start)
            assert sorted(await published(bus, taken)) == list(range(taken))
            await outbox.require_room()
            draining.cancel()
            await outbox.close()

    asyncio.run(story())


def test_without_a_spool_the_broker_that_is_away_is_told_at_once(server: NatsServer, tmp_path: Path) -> None:
    async def story() -> None:
        async with connected(server.url, ack_wait_s=5.0) as bus:
            outbox = outbox_on(bus, tmp_path / "spool", limit=0)
            draining = asyncio.create_task(outbox.drain())
            await asyncio.to_thread(server.stop)
            for _ in range(2):
                with pytest.raises(EngineUnavailable, match="spool"):
                    await outbox.publish([evaluated(1)])
            with pytest.raises(EngineUnavailable, match="spool"):
                await outbox.require_room()
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(20):
                while True:
                    try:
                        await outbox.publish([evaluated(2)])
                        break
                    except EngineUnavailable:
                        await asyncio.sleep(0.1)
            assert await published(bus, 1) == [2]
            draining.cancel()
            await outbox.close()

    asyncio.run(story())
