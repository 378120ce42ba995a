"""A task with a model in production and a candidate, on doubles: what tests of rollouts begin with."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import pytest

from dissonance.contracts.events import (
    Event,
)
from dissonance.contracts.schema import Task
from dissonance.contracts.standings import SERVING, Behaviour, ServingQuestion, Standing
from dissonance.decisions.pairs import find_version
from dissonance.drills.demo.mischief import register_spoilt
from dissonance.errors import GateRefused
from dissonance.pipeline.aliases import open_version
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.registration import FittedPair, register_pair
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.rollouts import Rollouts, begin
from dissonance.pipeline.telling import publish
from dissonance.ports.decisions import ALL
from dissonance.ports.registry import ModelRole, ModelVersion
from dissonance.ports.rollouts import Rollout
from support.copies import made_once
from support.distributions import labelled_rows
from support.workshop import Workshop, add_experience, small_task

CRITIC_V1 = Path(__file__).parents[1] / "unit" / "science" / "golden" / "critic.v1.json"
LIMITS: dict[str, Any] = {
    "canary_share": 0.5,
    "canary_labels_min": 20,
    "canary_max_s": 10_000,
    "rollback_window_s": 5_000,
    "cooling_off_s": 1_000,
}


class StoredEarlier:
    """A critic of version 1 as it lies in a registry."""

    def to_json(self) -> bytes:
        return CRITIC_V1.read_bytes()


class Place(NamedTuple):
    work: Workshop
    task: Task

    def set_policy(self, **values: Any) -> None:
        before = asyncio.run(self.work.store.policy(self.task.task_id))
        after = msgspec.structs.replace(before, version=before.version + 1, **values)
        asyncio.run(self.work.store.set_policy(self.task.task_id, after, reason="a test", by="a test"))

    def version(self, number: int) -> ModelVersion:
        return find_version(self.work.registry, self.task, number)

    def in_production(self) -> int:
        return self.work.registry.production(self.task.task_id, ModelRole.PROPOSER).version

    def rollout(self) -> Rollout:
        found = asyncio.run(self.work.store.rollout(self.task.task_id))
        assert found is not None
        return found

    def decisions(self) -> int:
        return len(asyncio.run(self.work.store.decisions(self.task.task_id, ALL, 1_000)))

    def begin(self, cause: str = "judged", versions: tuple[int, int] = (2, 1), **options: Any) -> list[Event]:
        candidate, incumbent = map(self.version, versions)
        how = {"cause": cause, "by": "gate", "reason": "accepted", **options}

        async def told() -> list[Event]:
            events = await begin(self.work, self.task, candidate, incumbent, **how)
            await publish(self.work, self.task, events)
            return events

        return asyncio.run(told())

    def advance(self) -> list[Event]:
        return asyncio.run(Rollouts(self.work).advance(self.task.task_id))

    def advance_with(self, serves: Serves, rollouts: Rollouts | None = None) -> list[Event]:
        """While a replica answers questions."""

        async def run() -> list[Event]:
            async with self.work.bus.answering(SERVING, serves.answer):
                return await (rollouts or Rollouts(self.work)).advance(self.task.task_id)

        return asyncio.run(run())

    def traffic(self, n: int, seed: int = 5, *, after_s: float = 1.0, **options: Any) -> None:
        """n inputs some seconds later, each a microsecond after the other."""
        self.work.clock.advance(after_s)
        features, classes = labelled_rows(n, seed)
        people = [f"seed-{seed}-{number}" for number in range(n)]
        asyncio.run(add_experience(self.work, self.task, features, classes.tolist(), people, **options))
        self.work.clock.advance(n / 1e6)

    def paired(self, n: int, seed: int, right: tuple[bool, bool], versions: tuple[int, int] = (2, 1)) -> None:
        digests = (self.version(versions[0]).digest, self.version(versions[1]).digest)
        self.traffic(n, seed, models=digests, right=right)

    def force_a_bad_model(self) -> None:
        """Version 3 learnt from exchanged labels; its critic did not."""
        assert asyncio.run(register_spoilt(self.work, self.task, seed=1)) == 3
        with pytest.raises(GateRefused):
            asyncio.run(promote(self.work, "small", 3, by="ann"))
        asyncio.run(promote(self.work, "small", 3, by="ann", override="looks fine"))

    def add_of_an_earlier_release(self) -> int:
        """Version 1 again, in production, with a critic as earlier releases stored them."""
        first = asyncio.run(open_version(self.work, self.task, 1))
        pair = FittedPair(first.proposer, cast(Any, StoredEarlier()), {}, {}, {}, "d" * 64)  # type: ignore[arg-type]
        made = register_pair(self.work, self.task, pair)
        for version in (made.critic, made.proposer):
            self.work.registry.promote(self.work.registry.version(self.task.task_id, version.role, version.version))
        return made.proposer.version

    def learn_wrongly(self) -> None:
        features, classes = labelled_rows(3_000, 77)
        people = [f"wrong-{number}" for number in range(3_000)]
        wrong = [int(1 - each) for each in classes]
        asyncio.run(add_experience(self.work, self.task, features, wrong, people))


class Serves:
    """A replica that answers with what is in production."""

    def __init__(self, replica: str, place: Place) -> None:
        self.replica = replica
        self.place = place
        self.behaviour: dict[str, Behaviour] = {}

    def answer(self, asked: bytes) -> bytes:
        task_id = msgspec.msgpack.decode(asked, type=ServingQuestion).task_id
        version = self.place.version(self.place.in_production())
        return msgspec.msgpack.encode(Standing(self.replica, task_id, version.version, version.digest, self.behaviour))


@made_once
def new_place() -> Place:
    """Version 2 is a candidate."""
    made = Place(*small_task())
    made.set_policy(**LIMITS)
    asyncio.run(retrain(made.work, "small"))
    return made


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]
