"""Each window that is over is estimated once, and what comes of it is said."""

from __future__ import annotations

import asyncio

import msgspec

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.registry import MemoryRegistry
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.events import HarmEstimated, WindowEvaluated
from dissonance.contracts.policy import Policy
from dissonance.errors import ModelRefused
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Window
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.evaluator.estimating import Estimating
from dissonance.roles.evaluator.noticing import Noticing
from support.estimates import RecordedEstimates, cannot_tell, told
from support.store import RowMaker, with_task
from support.walk import PlainLoader, Walk, row

MODEL = "a" * 64


class Scene:
    """A task with a model in production."""

    def __init__(self) -> None:
        self.make = RowMaker("estimating")
        self.store = MemoryStore(self.make.clock)
        self.registry = MemoryRegistry(self.make.clock)
        self.estimates = RecordedEstimates(told(0.7, 0.0005, MODEL))
        self.task_id = ""

    @classmethod
    async def open(cls) -> Scene:
        here = cls()
        here.task_id = await with_task(here.store, here.make, Policy())
        for role in ModelRole:
            here.registry.register(here.task_id, "t", role, b"", MODEL, metrics={}, parameters={}, parent=None)
            here.registry.promote(here.registry.version(here.task_id, role, 1))
        return here

    def estimating(self) -> Estimating:
        catalogue = Catalogue(self.store, PlainLoader(0.05), MemoryBus(self.make.clock))
        noticing = Noticing(self.store, self.registry, self.make.clock)
        return Estimating(catalogue, self.store, self.make.clock, self.estimates, noticing)

    async def stated(self, start_us: int, **changes: object) -> WindowEvaluated:
        window = self.make.window(self.task_id, start_us, **{"closed": True, "rows": 40, **changes})
        await self.store.save_window(window)
        return WindowEvaluated(
            event_id=window.window_id,
            task_id=self.task_id,
            produced_at_us=0,
            producer="evaluator",
            window_id=window.window_id,
            revision=1,
        )

    async def windows(self) -> list[Window]:
        return await self.store.windows(self.task_id)


def test_a_window_that_is_over_is_estimated_and_an_alarm_said_at_once() -> None:
    async def story() -> None:
        here = await Scene.open()
        (harm,) = await here.estimating().handle([await here.stated(1_000)])
        assert isinstance(harm, HarmEstimated)
        assert [window.estimate for window in await here.windows()] == [here.estimates.answer]

    asyncio.run(story())


def test_open_small_and_unnamed_windows_are_not_estimated() -> None:
    async def story() -> None:
        here = await Scene.open()
        small, still_open = await here.stated(1_000, rows=29), await here.stated(2_000, closed=False)
        await here.stated(3_000)
        assert await here.estimating().handle([small, still_open]) == []
        assert here.estimates.asked == []

    asyncio.run(story())


def test_a_window_is_estimated_once_however_often_it_is_restated() -> None:
    async def story() -> None:
        here = await Scene.open()
        event, estimating = await here.stated(1_000), here.estimating()
        await estimating.handle([event, event])
        await here.stated(1_000, labelled=3)
        here.estimates.answer = cannot_tell(MODEL)
        await estimating.handle([event])
        (window,) = await here.windows()
        assert (window.labelled, window.estimate) == (3, told(0.7, 0.0005, MODEL))
        assert len(here.estimates.asked) == 1

    asyncio.run(story())


def test_windows_are_estimated_in_the_order_of_event_time() -> None:
    async def story() -> None:
        here = await Scene.open()
        events = [await here.stated(start_us) for start_us in (3_000, 1_000, 2_000)]
        await here.estimating().handle(events)
        assert [int(name.rsplit("-", 1)[1]) for name in here.estimates.asked] == [1_000, 2_000, 3_000]

    asyncio.run(story())


def test_without_a_model_or_without_rows_the_window_stands_as_it_was_stated() -> None:
    async def story() -> None:
        here = await Scene.open()
        event = await here.stated(1_000)
        here.estimates.answer = None
        assert await here.estimating().handle([event]) == []
        here.estimates.refusal = ModelRefused("the model was refused: its signature is not ours")
        assert await here.estimating().handle([event]) == []
        assert [window.estimate for window in await here.windows()] == [None]

    asyncio.run(story())


def test_the_reply_of_windows_shows_the_estimate_and_its_accuracy() -> None:
    async def story() -> None:
        walk = await Walk.open(policy=Policy(window_s=86_400, window_watermark_s=0))
        walk.estimates.answer = told(0.7)
        await walk.predict([row(person=f"p{number}") for number in range(30)])
        await walk.predict([row(person="later", at="2020-01-03T00:00:00Z")])
        await walk.pump()
        still_open, over = (await walk.get("toy/windows")).json()["windows"]
        assert (over["closed"], over["estimated_accuracy"]) == (True, 0.7)
        assert over["estimate"] == msgspec.json.decode(msgspec.json.encode(told(0.7)))
        assert still_open["estimate"] is None

    asyncio.run(story())


def test_where_nobody_can_tell_the_reply_says_so_and_keeps_the_critics_belief_apart() -> None:
    async def story() -> None:
        walk = await Walk.open(policy=Policy(window_s=86_400, window_watermark_s=0))
        walk.estimates.answer = cannot_tell()
        await walk.predict([row(person=f"p{number}") for number in range(30)])
        await walk.predict([row(person="later", at="2020-01-03T00:00:00Z")])
        await walk.pump()
        over = (await walk.get("toy/windows")).json()["windows"][1]
        assert (over["estimate"]["verdict"], over["estimate"]["separating"]) == ("cannot_tell", ["x"])
        assert over["estimate"]["accuracy"] is None
        assert over["estimated_accuracy"] == 1.0 - over["mean_doubt"]

    asyncio.run(story())
