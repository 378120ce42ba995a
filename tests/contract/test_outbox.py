"""What every way out of a role keeps to: the bus itself, and the outbox that spools; in memory and on JetStream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.spool.outbox import SpoolingOutbox
from dissonance.adapters.spool.spool import Spool
from dissonance.errors import EngineUnavailable
from dissonance.ports.breaker import Breaker
from dissonance.ports.bus import Bus, Outbox
from dissonance.telemetry.metrics import Metrics
from support.bus import WINDOWS, BusKit, collect, numbers, until_lag
from support.events import evaluated


@pytest.fixture(params=["bus", "spooling"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def opened(kit: BusKit, way: str, folder: Path) -> AsyncIterator[tuple[Outbox, Bus]]:
    bus = await kit.connect()
    spooling = SpoolingOutbox(bus, Spool(folder, "a", 2**20), Breaker("NATS", SystemClock()), Metrics())
    draining = asyncio.create_task(spooling.drain())
    yield (bus if way == "bus" else spooling), bus
    draining.cancel()
    await spooling.close()
    await bus.close()


def test_what_was_published_is_with_the_broker_in_order_and_once(kit: BusKit, way: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(kit, way, tmp_path) as (outbox, bus):
            await outbox.publish([])
            await outbox.publish([evaluated(1), evaluated(2)])
            await outbox.publish([evaluated(2), evaluated(3)])
            async with bus.subscribe("reader", WINDOWS) as subscription:
                assert numbers(await collect(subscription, 3)) == [1, 2, 3]
            await until_lag(bus, "reader", WINDOWS, 3)
        assert list(tmp_path.glob("*")) == []

    asyncio.run(story())


def test_many_publish_at_once(kit: BusKit, way: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(kit, way, tmp_path) as (outbox, bus):
            await asyncio.gather(*(outbox.publish([evaluated(number)]) for number in range(50)))
            await until_lag(bus, "reader", WINDOWS, 50)

    asyncio.run(story())


def test_closed_bus_is_said_to_be_away_unless_there_is_a_spool(kit: BusKit, way: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(kit, way, tmp_path) as (outbox, bus):
            await bus.close()
            if way == "bus":
                with pytest.raises(EngineUnavailable):
                    await outbox.publish([evaluated(1)])
            else:
                await outbox.publish([evaluated(1)])
        assert len(list(tmp_path.glob("*"))) == (way == "spooling")

    asyncio.run(story())


def test_event_published_once_gives_back_the_first_of_its_id(kit: BusKit) -> None:
    async def story() -> None:
        one, two = await kit.connect(), await kit.connect()
        first = evaluated(1)
        assert await one.publish_once(first) is None
        assert await two.publish_once(first) == first
        assert await one.publish_once(evaluated(2)) is None
        await until_lag(two, "reader", WINDOWS, 2)
        await one.close()
        with pytest.raises(EngineUnavailable):
            await one.publish_once(evaluated(3))
        await two.close()

    asyncio.run(story())


def test_event_published_once_is_new_again_after_the_window(kit: BusKit) -> None:
    async def story() -> None:
        bus = await kit.connect(duplicate_window_s=0.2)
        assert await bus.publish_once(evaluated(1)) is None
        await asyncio.sleep(1.0)
        assert await bus.publish_once(evaluated(1)) is None
        await bus.close()

    asyncio.run(story())
