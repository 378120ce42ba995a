"""What the first day of a task lets expect is not read from the store anew for every batch."""

from __future__ import annotations

import asyncio

from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.events import Judged
from dissonance.contracts.policy import Policy
from dissonance.ports.store import Sureness
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.learner.asking import READ_AGAIN_AT, Asking
from dissonance.roles.loading import RegistryLoader
from support.store import RowMaker
from support.workshop import workshop

NOON_US = 20_000 * 86_400_000_000 + 43_200_000_000


class CountingStore(MemoryStore):
    reads = 0

    async def least_sure(self, task_id: str, start_us: int, end_us: int, n: int) -> Sureness | None:
        self.reads += 1
        return await super().least_sure(task_id, start_us, end_us, n)


async def reads_of(batches: list[int]) -> list[int]:
    """How often the day had been read after each of these batches of inputs, all of one first day."""
    make, work, store = RowMaker("asking"), workshop(), CountingStore(FixedClock())
    task = make.task()
    await store.create(task, Policy())
    catalogue = Catalogue(store, RegistryLoader(work.registry, work.artefact_keys), work.bus)
    asking = Asking(catalogue, store, work.clock)
    reads: list[int] = []
    for rows in batches:
        judged = rows_at_noon(make, task.task_id, rows)
        await store.record([judged])
        await asking.about(task.task_id, [judged])
        reads.append(store.reads)
    return reads


def rows_at_noon(make: RowMaker, task_id: str, rows: int) -> Judged:
    return make.judged(task_id, rows, event_times_us=[NOON_US + number for number in range(rows)])


def test_the_first_day_is_read_again_when_a_tenth_more_has_come() -> None:
    tenth = int(READ_AGAIN_AT * 1_000)
    assert asyncio.run(reads_of([1_000, tenth // 2, tenth // 2, 10])) == [1, 1, 2, 2]
