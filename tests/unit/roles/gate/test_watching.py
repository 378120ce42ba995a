"""Rollouts are looked at without anything that happens; one that cannot be looked at keeps no other from it."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.events import Event
from dissonance.contracts.topics import EventKind
from dissonance.contracts.updates import RolloutPhase
from dissonance.errors import ModelRefused
from dissonance.ports.rollouts import told_as
from dissonance.roles.gate.watching import RolloutWatch
from support.events import CURRENT
from support.updates import RecordedUpdates, rollout_of, step_of
from support.walk import POLICY, TASK
from support.worker import until


class Refuses(RecordedUpdates):
    async def advance(self, task_id: str) -> list[Event]:
        await super().advance(task_id)
        raise ModelRefused("no such pair")


def watching(updates: RecordedUpdates, phase: RolloutPhase, told: bool = True) -> tuple[RolloutWatch, MemoryBus]:
    clock = FixedClock()
    store, bus = MemoryStore(clock), MemoryBus(clock)

    async def fill() -> None:
        await store.create(TASK, POLICY)
        rollout = rollout_of(TASK.task_id, 2, phase)
        await store.save_rollout(rollout, step_of(rollout))
        if told:
            await store.rollouts_told(TASK.task_id, [told_as(rollout)])
        clock.advance(1)

    asyncio.run(fill())
    return RolloutWatch(updates, store, bus, clock, every_s=0.001), bus


@pytest.mark.parametrize("phase", [RolloutPhase.CANARY, RolloutPhase.ARMED])
def test_what_is_under_way_is_advanced_and_what_came_of_it_is_told(phase: RolloutPhase) -> None:
    updates = RecordedUpdates()
    updates.answer = [CURRENT[EventKind.ROLLOUT_CHANGED]]
    watch, bus = watching(updates, phase)
    asyncio.run(watch.look())
    assert updates.advanced == [TASK.task_id]
    assert len(bus.broker.streams[EventKind.ROLLOUT_CHANGED]) == 1


def test_what_has_ended_is_left_alone() -> None:
    updates = RecordedUpdates()
    watch, _ = watching(updates, RolloutPhase.SETTLED)
    asyncio.run(watch.look())
    assert updates.advanced == []


def test_what_has_ended_and_was_never_told_is_looked_at() -> None:
    updates = RecordedUpdates()
    watch, _ = watching(updates, RolloutPhase.ROLLED_BACK, told=False)
    asyncio.run(watch.look())
    assert updates.advanced == [TASK.task_id]


def test_it_goes_on_after_what_cannot_be_looked_at_now() -> None:
    updates = Refuses()
    watch, _ = watching(updates, RolloutPhase.ARMED)

    async def run() -> None:
        following = asyncio.create_task(watch.watch())
        await until(lambda: len(updates.advanced) >= 3)
        following.cancel()

    asyncio.run(run())
