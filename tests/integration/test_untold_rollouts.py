"""A gate is killed between saving that a model goes back and telling of it; the next one tells, from PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.postgres.migrate import migrate
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.contracts.events import Event, IncidentRaised, ModelRolledBack, RolloutChanged
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.topics import EventKind
from dissonance.decisions.pairs import find_version
from dissonance.pipeline.create_task import create_task
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.rollouts import Rollouts, begin
from dissonance.pipeline.telling import publish
from dissonance.security.text_seal import TextSeal
from support.database import fresh_database
from support.distributions import labelled_rows
from support.workshop import COLUMNS, Workshop, add_experience, frame, workshop, write

LABELS = 60


class Killed(BaseException):
    """The process is no more: nothing catches it."""


class DyingBus(MemoryBus):
    """Publishes so many times more."""

    left = 10**9

    async def publish(self, events: Sequence[Event]) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1
        await super().publish(events)


@pytest.fixture
def url(engines: EngineAddresses) -> Iterator[str]:
    with fresh_database(engines.database_url) as made:
        migrate(made)
        yield made


async def begun(work: Workshop, folder: Path) -> Task:
    """Version 2 is in production under watch, and every label is against it."""
    policy = Policy(rollback_window_s=5_000)
    task = (await create_task(work, name="small", data=write(folder, frame()), columns=COLUMNS, policy=policy)).task
    await retrain(work, "small")
    two, one = (find_version(work.registry, task, number) for number in (2, 1))
    how: dict[str, Any] = {"cause": "judged", "by": "gate", "reason": "accepted", "at_once": True}
    await publish(work, task, await begin(work, task, two, one, **how))
    work.clock.advance(1)
    features, classes = labelled_rows(LABELS, 1)
    people = [f"person-{number}" for number in range(LABELS)]
    models = (two.digest, one.digest)
    await add_experience(work, task, features, classes.tolist(), people, models=models, right=(False, True))
    work.clock.advance(1)
    return task


@pytest.mark.parametrize("published", [0, 1], ids=["before anything was told", "before the incident was told"])
def test_what_a_killed_gate_saved_and_did_not_tell_the_next_one_tells_once(
    url: str, tmp_path: Path, published: int
) -> None:
    async def story() -> None:
        work = workshop()
        bus = DyingBus(work.clock)
        store = PostgresStore(url, texts=TextSeal(bytes(64)), clock=work.clock, connections=2)
        work = work._replace(store=store, bus=bus)  # type: ignore[arg-type]
        try:
            task = await begun(work, tmp_path)
            bus.left = published
            with pytest.raises(Killed):
                await Rollouts(work).advance(task.task_id)
            bus.left = 10**9
            assert not await bus.history([EventKind.INCIDENT_RAISED], task.task_id)
            assert await Rollouts(work).advance(task.task_id) == [], "whoever saved it may still be at it"
            work.clock.advance(6)
            told = await Rollouts(work).advance(task.task_id)
            assert [type(event) for event in told] == [RolloutChanged, ModelRolledBack, IncidentRaised]
            (incident,) = await bus.history([EventKind.INCIDENT_RAISED], task.task_id)
            assert isinstance(incident, IncidentRaised)
            assert (incident.version, incident.previous_version) == (2, 1)
            assert incident.evidence["only_old_right"] == LABELS
            assert await Rollouts(work).advance(task.task_id) == []
        finally:
            await store.close()

    asyncio.run(story())
