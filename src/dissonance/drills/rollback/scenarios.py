"""Bad promotions that nobody takes back but the system itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from dissonance.contracts.events import Event, IncidentRaised, ModelPromoted, WindowEvaluated
from dissonance.contracts.schema import Task
from dissonance.contracts.topics import EventKind
from dissonance.drills.census import TASK
from dissonance.drills.demo.mischief import register_spoilt
from dissonance.drills.rollback.bad_models import register_failing, register_slow
from dissonance.drills.rollback.stage import Prepare, Stage
from dissonance.errors import TimedOut
from dissonance.pipeline.aliases import open_version, production_version
from dissonance.pipeline.rollouts import begin
from dissonance.pipeline.workshop import Workshop

BY = "drill"
REASON = "drill: the numbers look fine to me"
LIMIT_S = 120.0
AFTERWARDS_S = 1.0
HEARD = (EventKind.MODEL_PROMOTED, EventKind.WINDOW_EVALUATED, EventKind.INCIDENT_RAISED)


class Scenario(NamedTuple):
    """`put`: into production, by its number."""

    name: str
    register: Prepare
    put: Callable[[Stage, int], Awaitable[None]]


class Found(NamedTuple):
    """Moments in the time of the event loop. `moved_s`: the bad version is in production; `window_s`: the first window
    after that was stated (None: none was before it was taken back); `incident_s`: the system said that it is back."""

    name: str
    version: int
    back_on: int
    moved_s: float
    window_s: float | None
    incident_s: float
    reason: str
    missing: int


async def _forced(stage: Stage, version: int) -> None:
    """By override: the gate refuses it."""
    await stage.running.command("models", "promote", TASK, "--version", str(version), "--override", REASON)


async def _past_the_gate(stage: Stage, version: int) -> None:
    """As if the gate had a hole: it cannot judge a model that answers nothing."""
    system, task = stage.system, stage.task
    candidate = (await open_version(system, task, version)).version
    incumbent = await production_version(system, task)
    how = {"cause": f"drill-{version}", "by": BY, "reason": REASON}
    await system.bus.publish(await begin(system, task, candidate, incumbent, **how, overridden=True, at_once=True))


async def _flipped(workshop: Workshop, task: Task) -> int:
    return await register_spoilt(workshop, task, seed=1)


SCENARIOS = (
    Scenario("wrong", _flipped, _forced),
    Scenario("slow", register_slow, _forced),
    Scenario("failing", register_failing, _past_the_gate),
)


async def found_out(stage: Stage, scenario: Scenario) -> Found:
    """Raises `TimedOut` when the system does not take it back."""
    version = stage.prepared[scenario.name]
    async with stage.system.bus.watch(HEARD) as events:
        heard: list[tuple[float, Event]] = []
        listening = asyncio.create_task(_listen(events, heard))
        try:
            async with asyncio.timeout(LIMIT_S):
                await scenario.put(stage, version)
                while not any(isinstance(event, IncidentRaised) for _, event in heard):
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise TimedOut(
                f"the {scenario.name} model was not taken back in {LIMIT_S:g} s", where="drill", fix="read the logs"
            ) from error
        finally:
            listening.cancel()
    await asyncio.sleep(AFTERWARDS_S)
    moved_s = next(at_s for at_s, event in heard if isinstance(event, ModelPromoted))
    incident_s, incident = next((at_s, event) for at_s, event in heard if isinstance(event, IncidentRaised))
    windows = [at_s for at_s, event in heard if isinstance(event, WindowEvaluated) and moved_s < at_s < incident_s]
    return Found(
        name=scenario.name,
        version=version,
        back_on=incident.previous_version,
        moved_s=moved_s,
        window_s=min(windows, default=None),
        incident_s=incident_s,
        reason=incident.what,
        missing=len(incident.replicas_missing),
    )


async def _listen(events: AsyncIterator[Event], heard: list[tuple[float, Event]]) -> None:
    async for event in events:
        heard.append((asyncio.get_running_loop().time(), event))
