"""What a process knows of tasks follows what happens to them, and outlives refusals and broken watches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.events import Event
from dissonance.contracts.policy import Policy, policy_digest
from dissonance.contracts.schema import Task
from dissonance.contracts.topics import EventKind
from dissonance.errors import DissonanceError, EngineUnavailable, ModelNotFound, ModelRefused, UnknownTask
from dissonance.roles.catalogue import PAIRS_KEPT, Catalogue
from dissonance.roles.serving import Serving
from support.events import CURRENT
from support.walk import POLICY, TASK, PlainLoader
from support.worker import until

NEVER_S = 3600.0
WAIT_S = 30.0


def of_task(kind: EventKind) -> Event:
    """An event of the toy task."""
    event = CURRENT[kind]
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**{**fields, "task_id": TASK.task_id})


class Followed:
    """A catalogue that follows a bus in memory, with one task and two pairs of models."""

    def __init__(self, bus: MemoryBus | None = None, *, resync_s: float = NEVER_S) -> None:
        self.store = MemoryStore(FixedClock())
        self.loader = PlainLoader(gap=0.1)
        self.loader.pairs[2] = PlainLoader.pair(2, 0.2)
        self.bus = bus or MemoryBus(FixedClock())
        self.catalogue = Catalogue(self.store, self.loader, self.bus, reconnect_s=0.01, resync_s=resync_s)

    async def version(self) -> int:
        return (await self.catalogue.production(TASK)).version

    async def watches(self) -> None:
        """Returns when the catalogue listens."""
        await until(lambda: bool(self.bus.broker.watchers))


def told(story: Callable[[Followed], Awaitable[None]], followed: Callable[[], Followed] = Followed) -> None:
    async def run() -> None:
        case = followed()
        await case.store.create(TASK, POLICY)
        assert (await case.catalogue.by_name(TASK.name)).task == TASK
        assert await case.version() == 1
        following = asyncio.create_task(case.catalogue.follow())
        try:
            await story(case)
            assert not following.done()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    asyncio.run(run())


async def until_version(case: Followed, version: int) -> None:
    async def reached() -> bool:
        return await case.version() == version

    await until(reached)


@pytest.mark.parametrize("kind", [EventKind.MODEL_PROMOTED, EventKind.MODEL_ROLLED_BACK])
def test_a_promotion_or_rollback_swaps_the_pair_that_serves(kind: EventKind) -> None:
    async def story(case: Followed) -> None:
        await case.watches()
        case.loader.serving = 2
        assert await case.version() == 1
        await case.bus.publish([of_task(kind)])
        await until_version(case, 2)

    told(story)


class Held(PlainLoader):
    """Has read which version is in production, and holds it back until it is let go."""

    def __init__(self) -> None:
        super().__init__(gap=0.1)
        self.pairs[2] = PlainLoader.pair(2, 0.2)
        self.has_read, self.go_on = threading.Event(), threading.Event()

    def production(self, task: Task) -> Serving:
        read = super().production(task)
        self.has_read.set()
        assert self.go_on.wait(WAIT_S)
        return read


def test_a_model_that_was_read_before_it_changed_does_not_stay_when_it_is_loaded_after() -> None:
    async def run() -> None:
        loader, store, bus = Held(), MemoryStore(FixedClock()), MemoryBus(FixedClock())
        catalogue = Catalogue(store, loader, bus, reconnect_s=0.01, resync_s=NEVER_S)
        await store.create(TASK, POLICY)
        await catalogue.by_name(TASK.name)
        loading = asyncio.create_task(catalogue.arms(TASK))
        assert await asyncio.to_thread(loader.has_read.wait, WAIT_S)
        loader.serving = 2
        await catalogue.refresh_all()
        assert catalogue.answering(TASK.task_id) is None, "nothing answers with what is half loaded"
        loader.go_on.set()
        assert (await loading).production.version == 2
        answering = catalogue.answering(TASK.task_id)
        assert answering is not None and answering.version == 2

    asyncio.run(run())


def test_rows_that_the_old_model_answered_are_doubted_by_its_own_critic_after_the_swap() -> None:
    async def story(case: Followed) -> None:
        await case.watches()
        old = await case.catalogue.production(TASK)
        case.loader.serving = 2
        await case.bus.publish([of_task(EventKind.MODEL_PROMOTED)])
        await until_version(case, 2)
        assert await case.catalogue.serving(TASK, old.proposer_digest) is old

    told(story)


def test_a_changed_policy_is_in_force_at_once() -> None:
    async def story(case: Followed) -> None:
        await case.watches()
        stricter = Policy(version=2, max_dissonance=0.2)
        await case.store.set_policy(TASK.task_id, stricter, reason="r", by="b")
        await case.bus.publish([of_task(EventKind.POLICY_CHANGED)])

        async def in_force() -> bool:
            context = await case.catalogue.by_id(TASK.task_id)
            return (context.policy, context.policy_digest) == (stricter, policy_digest(stricter))

        await until(in_force)

    told(story)


def test_a_deleted_task_is_forgotten() -> None:
    async def story(case: Followed) -> None:
        await case.watches()
        await case.store.delete(TASK.task_id)
        assert (await case.catalogue.by_name(TASK.name)).task == TASK
        await case.bus.publish([of_task(EventKind.TASK_DELETED)])

        async def forgotten() -> bool:
            try:
                await case.catalogue.by_name(TASK.name)
            except UnknownTask:
                return True
            return False

        await until(forgotten)
        with pytest.raises(UnknownTask):
            await case.catalogue.by_id(TASK.task_id)

    told(story)


@pytest.mark.parametrize(
    "refusal",
    [
        ModelRefused("its signature does not hold", where="model artefact", fix="register it again"),
        ModelNotFound("no such version", where="registry", fix="list the versions"),
        EngineUnavailable("away", where="registry", fix="wait"),
    ],
)
def test_a_model_that_cannot_be_loaded_leaves_the_old_one_serving_until_a_good_one_comes(
    refusal: DissonanceError,
) -> None:
    async def story(case: Followed) -> None:
        await case.watches()
        case.loader.serving, case.loader.refusal = 2, refusal
        await case.bus.publish([of_task(EventKind.MODEL_PROMOTED)])
        await case.catalogue.refresh_all()
        assert await case.version() == 1
        case.loader.refusal = None
        await case.catalogue.refresh_all()
        assert await case.version() == 2

    told(story)


def test_events_of_a_task_that_is_not_known_here_read_nothing() -> None:
    async def story(case: Followed) -> None:
        await case.watches()
        case.loader.serving = 2
        await case.bus.publish([CURRENT[EventKind.MODEL_PROMOTED], CURRENT[EventKind.TASK_DELETED]])
        await case.bus.publish([of_task(EventKind.POLICY_CHANGED)])
        await until_version(case, 2)
        assert (await case.catalogue.by_name(TASK.name)).task == TASK
        with pytest.raises(UnknownTask):
            await case.catalogue.by_id(CURRENT[EventKind.TASK_DELETED].task_id)

    told(story)


class BreakingBus(MemoryBus):
    """Its first watch cannot begin; its second ends at once, like a connection that is cut; later ones hold."""

    watched = 0

    @asynccontextmanager
    async def watch(self, kinds: Sequence[EventKind]) -> AsyncIterator[AsyncIterator[Event]]:
        self.watched += 1
        if self.watched == 1:
            raise EngineUnavailable("away", where="the broker", fix="wait")
        async with super().watch(kinds) as events:
            yield nothing() if self.watched == 2 else events


async def nothing() -> AsyncIterator[Event]:
    for event in list[Event]():
        yield event


def test_a_watch_that_is_lost_is_taken_up_again_and_what_was_missed_is_read() -> None:
    bus = BreakingBus(FixedClock())

    async def story(case: Followed) -> None:
        case.loader.serving = 2
        await until_version(case, 2)
        await until(lambda: bus.watched == 3)
        case.loader.serving = 1
        await case.watches()
        await bus.publish([of_task(EventKind.MODEL_ROLLED_BACK)])
        await until_version(case, 1)

    told(story, lambda: Followed(bus))


def test_what_no_event_told_of_is_found_by_reading_everything_again() -> None:
    async def story(case: Followed) -> None:
        await case.watches()
        case.loader.serving = 2
        await until_version(case, 2)
        await case.store.delete(TASK.task_id)
        with pytest.raises(UnknownTask):
            async with asyncio.timeout(10):
                while True:
                    await case.catalogue.by_id(TASK.task_id)
                    await asyncio.sleep(0.005)

    told(story, lambda: Followed(resync_s=0.02))


def test_a_task_that_was_created_anew_under_its_name_is_the_new_one() -> None:
    async def story(case: Followed) -> None:
        await case.store.delete(TASK.task_id)
        await case.catalogue.refresh_all()
        fields = {name: getattr(TASK, name) for name in TASK.__struct_fields__}
        again = type(TASK)(**{**fields, "task_id": "0" * 31 + "2"})
        await case.store.create(again, POLICY)
        assert (await case.catalogue.by_name(TASK.name)).task == again

    told(story)


def test_only_the_latest_pairs_are_kept_and_an_older_one_is_loaded_again() -> None:
    async def story(case: Followed) -> None:
        for version in range(2, PAIRS_KEPT + 3):
            case.loader.pairs[version] = PlainLoader.pair(version, 0.1)
            assert (await case.catalogue.serving(TASK, f"{version:064x}")).version == version
        kept = case.loader.pairs.copy()
        case.loader.pairs = {1: kept[1]}
        assert (await case.catalogue.serving(TASK, f"{PAIRS_KEPT + 2:064x}")).version == PAIRS_KEPT + 2
        with pytest.raises(ModelNotFound):
            await case.catalogue.serving(TASK, f"{2:064x}")

    told(story)


class OpeningLoader(PlainLoader):
    """Opens the model anew at every call."""

    def production(self, task: Task) -> Serving:
        return self.pair(1, 0.1)


def test_first_requests_that_come_at_once_share_one_pair() -> None:
    async def story(case: Followed) -> None:
        fresh = Catalogue(case.store, OpeningLoader(gap=0.1), case.bus)
        served = await asyncio.gather(*(fresh.production(TASK) for _ in range(10)))
        assert len({id(serving) for serving in served}) == 1

    told(story)


def test_store_that_goes_away_while_a_model_is_swapped_leaves_somebody_to_answer() -> None:
    class Loader(PlainLoader):
        """Reads a model while the store ends."""

        store: MemoryStore | None = None

        def production(self, task: Task) -> Serving:
            if self.store is not None:
                self.store.available = False
            return super().production(task)

    async def run() -> None:
        case = Followed()
        loader = Loader(gap=0.1)
        loader.pairs[2] = PlainLoader.pair(2, 0.2)
        catalogue = Catalogue(case.store, loader, case.bus)
        await case.store.create(TASK, POLICY)
        await catalogue.by_name(TASK.name)
        assert (await catalogue.arms(TASK)).production.version == 1
        loader.serving, loader.store = 2, case.store
        await catalogue.refresh_all()
        assert (await catalogue.production(TASK)).version == 2
        assert (await catalogue.arms(TASK)).production.version == 1
        case.store.available, loader.store = True, None
        await catalogue.refresh_all()
        assert (await catalogue.arms(TASK)).production.version == 2

    asyncio.run(run())
