"""Harm is said before labels, an update is asked for once, and nothing is asked for while one is under way."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest

from dissonance.adapters.memory.registry import MemoryRegistry
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.estimates import WindowEstimate
from dissonance.contracts.events import Event, HarmEstimated, RetrainRequested
from dissonance.contracts.policy import Policy, WindowBy
from dissonance.contracts.updates import RetrainCause, RolloutPhase
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Window
from dissonance.roles.evaluator.due import harmed_run, judged, windows_per_month
from dissonance.roles.evaluator.noticing import REGISTRY_EVERY_US, Noticing
from support.estimates import cannot_tell, told
from support.store import RowMaker, labels, with_task
from support.updates import rollout_of, step_of

POLICY = Policy(retrain_labels_min=100, retrain_labels_enough=100_000)
"""With windows of a day and two false alarms a month, an alarm needs evidence of 15."""

MODEL = "a" * 64
FALLEN, DOUBTFUL, AS_BEFORE = 0.0005, 0.02, 0.6
"""p-values: evidence of 34 by itself; of 3 by itself; none."""

NOW_US = 5_000_000


class Scene:
    """A task, and windows of 400 rows in which the accuracy is estimated at 0.73, against 0.80 of the reference."""

    def __init__(self) -> None:
        self.make = RowMaker("noticing")
        self.store = MemoryStore(self.make.clock)
        self.registry = MemoryRegistry(self.make.clock)
        self.task_id = ""

    @classmethod
    async def open(cls) -> Scene:
        here = cls()
        here.task_id = await with_task(here.store, here.make, POLICY)
        here.registered(MODEL)
        for role in ModelRole:
            here.registry.promote(here.registry.version(here.task_id, role, 1))
        return here

    def registered(self, digest: str, experience_rows: int = 0) -> None:
        for role in ModelRole:
            metrics = {"experience_rows": float(experience_rows)}
            self.registry.register(self.task_id, "t", role, b"", digest, metrics=metrics, parameters={}, parent=None)

    def noticing(self) -> Noticing:
        return Noticing(self.store, self.registry, self.make.clock)

    async def window(self, number: int, p_value: float, labelled: int = 0, digest: str = MODEL) -> None:
        window = self.make.window(self.task_id, number * 1_000, closed=True, rows=400, labelled=labelled)
        await self.store.save_window(window)
        await self.store.save_estimate(self.task_id, window.window_id, told(0.73, p_value, digest))

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


def test_a_window_that_fell_far_is_harm_before_any_label_and_no_update_is_asked_for_yet() -> None:
    async def scenario() -> list[Event]:
        here = await Scene.open()
        await here.window(1, AS_BEFORE)
        await here.window(2, FALLEN)
        return await here.look()

    said = asyncio.run(scenario())
    (harm,) = harms(said)
    assert (harm.estimated_accuracy, harm.reference_accuracy, harm.harm_margin) == (0.73, 0.8, 0.01)
    assert (harm.low, harm.p_value, harm.threshold) == (0.73 - 0.0625, FALLEN, 15.0)
    assert harm.evidence is not None and harm.evidence > 15.0
    assert (harm.features, harm.slices) == ({"x": 0.0625}, {"colour = blue": 0.0625})
    assert requests(said) == []


def test_small_falls_one_after_another_add_up_to_an_alarm() -> None:
    async def scenario(windows: int) -> list[HarmEstimated]:
        here = await Scene.open()
        for number in range(windows):
            await here.window(number, DOUBTFUL)
        return harms(await here.look())

    assert asyncio.run(scenario(2)) == []
    assert len(asyncio.run(scenario(3))) == 1


def test_what_windows_say_of_another_model_is_no_evidence_about_this_one() -> None:
    async def scenario() -> list[Event]:
        here = await Scene.open()
        await here.window(1, FALLEN, labelled=150, digest="b" * 64)
        await here.labelled(150)
        return await here.look()

    assert asyncio.run(scenario()) == []


def test_with_labels_of_the_harm_an_update_is_asked_for_once_and_says_why() -> None:
    async def scenario() -> tuple[list[Event], list[Event], list[Event]]:
        here = await Scene.open()
        for number in (1, 2):
            await here.window(number, FALLEN, labelled=60)
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
        await here.window(1, FALLEN, labelled=150)
        await here.labelled(150)
        noticing = here.noticing()
        assert requests(await here.look(noticing))
        here.registered("b" * 64, experience_rows=150)
        here.make.clock.advance(REGISTRY_EVERY_US / 1e6)
        await here.labelled(more)
        return requests(await here.look(noticing))

    assert asyncio.run(scenario(99)) == []
    assert len(asyncio.run(scenario(100))) == 1


@pytest.mark.parametrize("phase", [RolloutPhase.CANARY, RolloutPhase.ARMED])
def test_while_an_update_is_under_way_harm_is_said_and_nothing_asked_for(phase: RolloutPhase) -> None:
    async def scenario() -> list[Event]:
        here = await Scene.open()
        await here.window(1, FALLEN, labelled=150)
        await here.labelled(150)
        rollout = rollout_of(here.task_id, 2, phase)
        await here.store.save_rollout(rollout, step_of(rollout))
        return await here.look()

    said = asyncio.run(scenario())
    assert len(harms(said)) == 1
    assert requests(said) == []


def test_without_a_model_in_production_nothing_is_harm() -> None:
    async def scenario() -> list[Event]:
        here = await Scene.open()
        await here.window(1, FALLEN)
        here.registry = MemoryRegistry(here.make.clock)
        here.registered(MODEL)
        return await here.look()

    assert asyncio.run(scenario()) == []


def window(number: int, estimate: WindowEstimate | None) -> Window:
    made = RowMaker("due").window("t" * 32, number * 1_000)
    return msgspec.structs.replace(made, rows=400, closed=True, estimate=estimate)


def windows(*p_values: float) -> list[Window]:
    return [window(number, told(0.73, p_value, MODEL)) for number, p_value in enumerate(p_values)]


def test_windows_without_an_estimate_or_of_which_nobody_can_tell_are_no_evidence() -> None:
    listed = [window(1, None), window(2, cannot_tell(MODEL)), *windows(FALLEN)]
    assert [each.window for each in judged(listed, MODEL, POLICY)] == listed[2:]


def test_harm_that_was_followed_by_a_good_window_is_over() -> None:
    def run(*p_values: float) -> list[float]:
        return [each.p_value for each in harmed_run(judged(windows(*p_values), MODEL, POLICY))]

    assert run(FALLEN, DOUBTFUL) == [FALLEN, DOUBTFUL]
    assert run(FALLEN, AS_BEFORE) == []
    assert run(AS_BEFORE, FALLEN) == [FALLEN]
    assert run(DOUBTFUL) == [], "nothing alarmed"


def test_evidence_begins_anew_after_an_alarm() -> None:
    alarms = [each.alarms for each in judged(windows(FALLEN, DOUBTFUL, FALLEN), MODEL, POLICY)]
    assert alarms == [True, False, True]


def test_windows_by_rows_come_as_often_as_they_came() -> None:
    policy = Policy(window_by=WindowBy.ROWS)
    hours = [msgspec.structs.replace(each, start_us=n * HOUR_US, end_us=(n + 1) * HOUR_US) for n, each in RANGE]
    assert windows_per_month(hours, policy) == pytest.approx(720)
    assert windows_per_month([], policy) == 30, "nothing closed yet: as the policy has it"


HOUR_US = 3_600_000_000
RANGE = list(enumerate(windows(*[AS_BEFORE] * 5)))


def test_while_nothing_is_harmed_alarms_stay_within_the_budget() -> None:
    """Of twenty years of daily windows whose p-values are those of no harm: two alarms in thirty days, on average."""
    p_values = np.random.default_rng(5).uniform(1e-6, 1.0, 7_200)
    alarms = sum(each.alarms for each in judged(windows(*p_values), MODEL, POLICY))
    assert 1 <= alarms <= 2 * len(p_values) / 30
