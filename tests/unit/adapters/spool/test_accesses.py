from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from dissonance.adapters.memory.anchors import MemoryAnchors
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.adapters.memory.store import MemoryStore
from dissonance.adapters.spool.accesses import MOST_OF_BATCH, SpoolingAccesses
from dissonance.adapters.spool.spool import Spool
from dissonance.contracts.accesses import Access, AccessBatch
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.telemetry.metrics import Metrics
from support.accesses import access, batch, denied


class House:
    """A store, a folder, and what a process saw (`seen`)."""

    def __init__(self, folder: Path, limit_bytes: int = 10**6) -> None:
        self.store = MemoryStore(FixedClock())
        self.folder = folder
        self.anchors = MemoryAnchors()
        self.metrics = Metrics()
        self.seen: list[Access] = []
        self._limit_bytes = limit_bytes
        self.accesses = self.process("one")

    def process(self, name: str) -> SpoolingAccesses:
        return SpoolingAccesses(
            self.store,
            Spool(self.folder, name, self._limit_bytes),
            self.anchors,
            self.take,
            by=name,
            randomness=SeededRandomness(len(name)),
            metrics=self.metrics,
        )

    def take(self, *, everything: bool = False) -> list[Access]:
        taken, self.seen = self.seen, []
        return taken

    async def kept(self) -> list[Access]:
        head = await self.store.chain_head(WHOLE_SYSTEM)
        return [kept.access for kept in await self.store.accesses_of(1, head.link)]


def told(folder: Path, story: Callable[[House], Awaitable[None]], limit_bytes: int = 10**6) -> None:
    async def run() -> None:
        await story(House(folder, limit_bytes))

    asyncio.run(run())


def test_what_was_seen_is_one_link_each_time_and_nothing_is_none(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.seen = [access(1), denied(2)]
        for _ in range(3):
            await house.accesses.flush()
        assert await house.kept() == [access(1), denied(2)]
        assert (await house.store.chain_head(WHOLE_SYSTEM)).link == 1

    told(tmp_path, story)


def test_a_great_deal_is_several_links(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.seen = [denied(number) for number in range(MOST_OF_BATCH + 1)]
        await house.accesses.flush()
        assert len(await house.kept()) == MOST_OF_BATCH + 1
        assert (await house.store.chain_head(WHOLE_SYSTEM)).link == 2

    told(tmp_path, story)


def test_while_the_store_is_away_it_waits_on_disk_and_comes_once_when_that_is_back(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.store.available = False
        house.seen = [denied(1)]
        await house.accesses.flush()
        await house.accesses.drain()
        house.store.available = True
        assert await house.kept() == []
        for _ in range(2):
            await house.accesses.drain()
        assert await house.kept() == [denied(1)]

    told(tmp_path, story)


def test_what_a_process_that_ended_left_is_taken_by_another(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.store.available = False
        house.seen = [denied(1)]
        await house.accesses.close()
        house.store.available = True
        await house.process("another").drain()
        assert await house.kept() == [denied(1)]
        assert list(tmp_path.iterdir()) == []

    told(tmp_path, story)


def test_what_was_stored_and_not_crossed_out_is_not_stored_twice(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        left = batch(1, denied(1))
        await house.store.record_accesses(left)
        before = Spool(tmp_path, "before", 10**6)
        before.append([left.evidence()])
        before.close()
        await house.accesses.drain()
        assert await house.kept() == [denied(1)]

    told(tmp_path, story)


class SlowStore(MemoryStore):
    """Says that it has something a moment after it has it."""

    async def record_accesses(self, batch: AccessBatch) -> int:
        link = await super().record_accesses(batch)
        await asyncio.sleep(0.01)
        return link


def test_what_was_in_hand_when_the_process_was_told_to_stop_is_written_once(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.store = SlowStore(FixedClock())
        accesses = house.process("slow")
        house.seen = [denied(1)]
        flushing = asyncio.create_task(accesses.flush())
        await asyncio.sleep(0.005)
        flushing.cancel()
        await asyncio.wait([flushing])
        house.seen = [denied(2)]
        await accesses.close()
        assert await house.kept() == [denied(1), denied(2)]

    told(tmp_path, story)


def test_what_neither_store_nor_disk_takes_is_counted_as_lost(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.store.available = False
        house.seen = [denied(1), denied(2)]
        await house.accesses.flush()
        assert "dissonance_accesses_lost_total 2.0" in house.metrics.text().decode()

    told(tmp_path, story, limit_bytes=10)


def test_a_disk_of_anchors_that_is_away_keeps_no_access_from_the_store(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.anchors.available = False
        house.seen = [access(1)]
        await house.accesses.flush()
        assert await house.kept() == [access(1)]

    told(tmp_path, story)
