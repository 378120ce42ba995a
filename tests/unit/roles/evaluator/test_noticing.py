"""Harm is said before labels, an update is asked for once, and nothing is asked for while one is under way."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import numpy as np
import pytest

from dissonance.adapters.memory.registry import MemoryRegistry
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.events import Event, HarmEstimated, RetrainRequested
from dissonance.contracts.policy import Policy
from dissonance.contracts.updates import RetrainCause, RolloutPhase
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Window
from dissonance.roles.evaluator.due import harmed, harmed_run
from dissonance.roles.evaluator.noticing import REGISTRY_EVERY_US, Noticing
from support.store import RowMaker, labels, with_task
from support.updates import rollout_of

POLICY = Policy(harm_margin=0.01, retrain_labels_min=100, retrain_labels_enough=100_000)
NOW_US = 5_000_000


class Scene:
    """A task whose model was let through with an estimated accuracy of 0.8."""

    def __init__(self) -> None:
        self.make = RowMaker("noticing")
        self.store = MemoryStore(self.make.clock)
        self.registry = MemoryRegistry(self.make.clock)
        self.task_id = ""

    @classmethod
    async def open(cls) -> Scene:
        here = cls()
        here.task_id = await with_task(here.store, here.make, POLICY)
        here.registered(0.8)
        for role in ModelRole:
            here.registry.promote(here.task_id, role, 1)
        return here

    def registered(self, estimated: float, experience_rows: int = 0) -> None:
        for role in ModelRole:
            metrics = {"golden_estimated_accuracy": estimated, "experience_rows": float(experience_rows)}
            self.registry.register(self.task_id, "t", role, b"", "", metrics=metrics, parameters={}, parent=None)

    def noticing(self) -> Noticing:
        return Noticing(self.store, self.registry, self.make.clock)

    async def window(self, number: int, estimated: float, labelled: int = 0, **changes: Any) -> None:
        figures = {"rows": 400, "labelled": labelled, "estimated_accuracy": estimated, "estimated_error": 0.005}
        window = self.make.window(self.task_id, number * 1_000, **{"closed": True, **figures, **changes})
        await self.store.save_window(window)

    async def labelled(self, count: int) -> None:
        event = self.make.judged(self.task_id, count)
        await self.store.record([event])
        sealed, times_us = [b"sealed"] * count, event.event_times_us
        await self.store.add_labels(self.task_id, labels(event.prediction_ids, sealed, times_us, [True] * count))

    async def look(self, noticing: Noticing | None = None) -> list[Event]:
        return await (noticing or self.noticing()).look(self.task_id, POLICY, NOW_US)


def harms(events: list[Event]) -> list[HarmEstimated]:
    return [event for event in events if isinstance(event, HarmEstimated)]


def requests(events: list[Event]) -> list[RetrainRequested]:
    return [event for event in events if isinstance(event, RetrainRequested)]


def test_a_window_below_the_reference_is_harm_before_any_label_and_no_update_is_asked_for_yet() -> None:
    async def scenario() -> list[Event]:
        here = await Scene.open()
        await here.window(1, 0.80)
        await here.window(2, 0.73)
        return await here.look()

    said = asyncio.run(scenario())
    (harm,) = harms(said)
    assert (harm.estimated_accuracy, harm.reference_accuracy, harm.harm_margin) == (0.73, 0.8, 0.01)
    assert requests(said) == []


def test_with_labels_of_the_harm_an_update_is_asked_for_once_and_says_why() -> None:
    async def scenario() -> tuple[list[Event], list[Event], list[Event]]:
        here = await Scene.open()
        for number in (1, 2):
            await here.window(number, 0.73, labelled=60)
        await here.labelled(120)
        noticing = here.noticing()
        return await here.look(noticing), await here.look(noticing), await here.look()

    first, again, replica = asyncio.run(scenario())
    (request,) = requests(first)
    assert request.cause is RetrainCause.HARM
    for piece in ("0.730", "2 windows", "0.070 below", "120 of their labels"):
        assert piece in request.reason, piece
    assert again == []
    assert [event.event_id for event in replica] == [event.event_id for event in first], "the same cause, the same id"


def test_a_candidate_that_learnt_from_the_labels_is_not_asked_for_again_until_as_many_came() -> None:
    async def scenario(more: int) -> list[RetrainRequested]:
        here = await Scene.open()
        await here.window(1, 0.73, labelled=150)
        await here.labelled(150)
        noticing = here.noticing()
        assert requests(await here.look(noticing))
        here.registered(0.8, experience_rows=150)
        here.make.clock.advance(REGISTRY_EVERY_US / 1e6)
        await here.labelled(more)
        return requests(await here.look(noticing))

    assert asyncio.run(scenario(99)) == []
    assert len(asyncio.run(scenario(100))) == 1


@pytest.mark.parametrize("phase", [RolloutPhase.CANARY, RolloutPhase.ARMED])
def test_while_an_update_is_under_way_harm_is_said_and_nothing_asked_for(phase: RolloutPhase) -> None:
    async def scenario() -> list[Event]:
        here = await Scene.open()
        await here.window(1, 0.73, labelled=150)
        await here.labelled(150)
        await here.store.save_rollout(rollout_of(here.task_id, 2, phase))
        return await here.look()

    said = asyncio.run(scenario())
    assert len(harms(said)) == 1
    assert requests(said) == []


def test_without_a_reference_nothing_is_harm() -> None:
    async def scenario() -> list[Event]:
        here = await Scene.open()
        await here.window(1, 0.2)
        critic = MemoryRegistry(here.make.clock)
        for role in ModelRole:
            critic.register(here.task_id, "t", role, b"", "", metrics={}, parameters={}, parent=None)
            critic.promote(here.task_id, role, 1)
        here.registry = critic
        return await here.look()

    assert asyncio.run(scenario()) == []


def window(number: int, estimated: float, **changes: Any) -> Window:
    made = RowMaker("due").window("t" * 32, number * 1_000)
    figures: dict[str, Any] = {"rows": 400, "estimated_accuracy": estimated, "estimated_error": 0.005, "closed": True}
    return msgspec.structs.replace(made, **{**figures, **changes})


def test_open_and_small_windows_say_nothing_about_harm() -> None:
    assert harmed(window(1, 0.5), 0.8, POLICY)
    assert not harmed(window(1, 0.5, closed=False), 0.8, POLICY)
    assert not harmed(window(1, 0.5, rows=29), 0.8, POLICY)


def test_harm_that_was_followed_by_a_good_window_is_over() -> None:
    assert [each.start_us for each in harmed_run([window(1, 0.5), window(2, 0.5)], 0.8, POLICY)] == [1_000, 2_000]
    assert harmed_run([window(1, 0.5), window(2, 0.8)], 0.8, POLICY) == []
    run = harmed_run([window(1, 0.8), window(2, 0.5), window(3, 0.9, closed=False)], 0.8, POLICY)
    assert [each.start_us for each in run] == [2_000]


def test_traffic_that_did_not_change_is_rarely_called_harm_and_a_fall_of_five_points_mostly_is() -> None:
    """Windows of 200 rows whose beliefs are drawn as those of the reference, or lower."""
    generator = np.random.default_rng(5)

    def called(mean: float) -> float:
        count = 0
        for _ in range(2_000):
            beliefs = generator.beta(8 * mean, 8 * (1 - mean), 200)
            error = float(beliefs.std() / np.sqrt(200))
            count += harmed(window(1, float(beliefs.mean()), estimated_error=error, rows=200), 0.8, POLICY)
        return count / 2_000

    assert called(0.80) < 0.01
    assert called(0.75) > 0.8
