"""The broker cannot write any more, and then could: it is started again by itself, and stores again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.state import engine_pids
from dissonance.adapters.nats import JetStreamBus
from dissonance.drills.faults.disks import LimitedFiles
from dissonance.errors import EngineUnavailable
from support.bus import WINDOWS, collect, connect, numbers
from support.engines import running_engines
from support.events import evaluated

PATIENCE_S = 60.0


async def published(bus: JetStreamBus, number: int) -> None:
    """As whoever publishes does it: until it is stored."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await bus.publish([evaluated(number)])
            except EngineUnavailable:
                await asyncio.sleep(0.1)


def test_broker_whose_disk_was_full_stores_again_without_a_hand(tmp_path: Path) -> None:
    def broker() -> psutil.Process:
        return psutil.Process(engine_pids(tmp_path)["nats"])

    async def story(addresses: EngineAddresses) -> None:
        bus = await connect(addresses.nats_url, tls=addresses.tls)
        await bus.publish([evaluated(0)])
        before, disk = broker().pid, LimitedFiles(lambda: [broker()])
        disk.fill()
        await published(bus, 1)
        assert broker().pid != before
        async with bus.subscribe("reader", WINDOWS) as subscription:
            assert numbers(await collect(subscription, 2)) == [0, 1]
        await bus.close()

    with running_engines(tmp_path, postgres=False) as addresses:
        asyncio.run(story(addresses))
