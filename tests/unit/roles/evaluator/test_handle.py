"""The evaluator on a store in memory: windows that nothing touches any more, wrong clocks, and two replicas."""

from __future__ import annotations

import asyncio

import msgspec

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.adapters.memory.keys import MemoryDataSubjectKeys
from dissonance.adapters.memory.registry import MemoryRegistry
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.events import Experienced, WindowEvaluated
from dissonance.contracts.policy import Policy
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Window, WindowFigures
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.evaluator.handle import Evaluator
from dissonance.roles.evaluator.noticing import Noticing
from dissonance.roles.evaluator.slicing import Slicing
from support.store import RowMaker, with_task
from support.walk import PlainLoader

DAY_US = 86_400_000_000
POLICY = Policy(window_s=86_400, window_watermark_s=300)


class Scene:
    """A task, and rows of it by day of event time, counted from 1970."""

    def __init__(self, store: MemoryStore, make: RowMaker, task_id: str) -> None:
        self.store = store
        self.make = make
        self.task_id = task_id
        self.keys = MemoryDataSubjectKeys(SeededRandomness(1))
        self.registry = MemoryRegistry(make.clock)
        for role in ModelRole:
            self.registry.register(task_id, "t", role, b"", "", metrics={}, parameters={}, parent=None)
            self.registry.promote(self.registry.version(task_id, role, 1))

    def evaluator(self) -> Evaluator:
        catalogue = Catalogue(self.store, PlainLoader(0.05), MemoryBus(self.make.clock))
        noticing = Noticing(self.store, self.registry, self.make.clock)
        return Evaluator(catalogue, self.store, self.make.clock, Slicing(self.store, self.keys), noticing)

    async def stored(self, day: int, rows: int = 1) -> Experienced:
        judged = self.make.judged(self.task_id, rows)
        judged = msgspec.structs.replace(judged, event_times_us=[day * DAY_US + 5] * rows)
        await self.store.record([judged])
        return Experienced(
            event_id=judged.event_id,
            task_id=self.task_id,
            produced_at_us=0,
            producer="learner",
            prediction_ids=judged.prediction_ids,
            event_times_us=judged.event_times_us,
            first_stored=rows,
        )

    async def windows(self) -> list[Window]:
        return await self.store.windows(self.task_id)


async def scene(store_type: type[MemoryStore] = MemoryStore) -> Scene:
    make = RowMaker("evaluator")
    store = store_type(make.clock)
    return Scene(store, make, await with_task(store, make, POLICY))


def test_a_window_that_nothing_touches_any_more_is_closed_when_the_watermark_passes_it() -> None:
    async def story() -> None:
        here = await scene()
        evaluator = here.evaluator()
        await evaluator.handle([await here.stored(100)])
        assert [window.closed for window in await here.windows()] == [False]
        said = await evaluator.handle([await here.stored(102)])
        assert [window.closed for window in await here.windows()] == [False, True]
        assert {event.window_id for event in said if isinstance(event, WindowEvaluated)} == {
            window.window_id for window in await here.windows()
        }

    asyncio.run(story())


def test_a_row_from_the_far_future_closes_no_window_of_today() -> None:
    async def story() -> None:
        here = await scene()
        today = here.make.clock.now_us() // DAY_US
        await here.evaluator().handle([await here.stored(today), await here.stored(today + 1_000_000)])
        assert [window.closed for window in await here.windows()] == [False, False]

    asyncio.run(story())


def test_a_replica_that_read_first_and_wrote_last_reads_again() -> None:
    class Overtaken(MemoryStore):
        """The other replica evaluates between the reading and the writing of this one, once."""

        other: Evaluator
        event: Experienced | None = None
        make_row: Scene

        async def figures(self, task_id: str, start_us: int, end_us: int, d_target: float) -> WindowFigures:
            read = await super().figures(task_id, start_us, end_us, d_target)
            if self.event is not None:
                event, self.event = self.event, None
                await self.other.handle([event, await self.make_row.stored(100, rows=2)])
            return read

    async def story() -> None:
        here = await scene(Overtaken)
        assert isinstance(here.store, Overtaken)
        one, here.store.other = here.evaluator(), here.evaluator()
        await one.handle([await here.stored(100)])
        event = await here.stored(100)
        here.store.event, here.store.make_row = event, here
        await one.handle([event])
        assert [window.rows for window in await here.windows()] == [4]

    asyncio.run(story())
