"""Which model gave an answer, and which others were asked about it: from what is stored with the row and registered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dissonance.contracts.events import CANARY_ARM, PRODUCTION_ARM
from dissonance.contracts.ids import id_text
from dissonance.contracts.schema import Task
from dissonance.decisions.evidence.bundle import Bundle
from dissonance.errors import UnknownPrediction
from dissonance.pipeline.model_history import rollout_bundles, version_that_answered
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelRole, ModelVersion
from dissonance.ports.store import Experience

IDS_AT_ONCE = 2_000


class WhoAnswered(NamedTuple):
    """`version` answered `row`, `critic_version` doubted it, `shadow_version` was asked beside it where an update was
    rolled out. None: the registry has no such version any more; of the shadow, that there was none."""

    task: Task
    row: Experience
    version: int | None
    critic_version: int | None
    shadow_version: int | None


async def who_answered(workshop: Workshop, name: str, prediction_id: bytes) -> WhoAnswered:
    """Raises `UnknownTask`, `UnknownPrediction` or `EngineUnavailable`."""
    return (await who_answered_each(workshop, name, [prediction_id]))[0]


async def who_answered_each(
    workshop: Workshop,
    name: str,
    prediction_ids: Sequence[bytes],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[WhoAnswered]:
    """In the order of the ids; registry and decisions are read once. `progress`: ids done, and how many there are.

    Raises as `who_answered` does, `UnknownPrediction` for the first id that the task has not."""
    task = await workshop.store.by_name(name)
    named: _Named | None = None
    found: list[WhoAnswered] = []
    for start in range(0, len(prediction_ids), IDS_AT_ONCE):
        ids = prediction_ids[start : start + IDS_AT_ONCE]
        rows = await workshop.store.find(task.task_id, ids)
        unknown = next((each for each in ids if each not in rows), None)
        if unknown is not None:
            raise _unknown(name, unknown)
        named = named or await _Named.of(workshop, task)
        found += [named.who(rows[each]) for each in ids]
        progress(len(found), len(prediction_ids))
    return found


class _Named(NamedTuple):
    """What gives a digest its version."""

    task: Task
    proposers: Sequence[ModelVersion]
    critics: Sequence[ModelVersion]
    bundles: Sequence[Bundle]

    @classmethod
    async def of(cls, workshop: Workshop, task: Task) -> _Named:
        proposers = await asyncio.to_thread(workshop.registry.versions, task.task_id, ModelRole.PROPOSER)
        critics = await asyncio.to_thread(workshop.registry.versions, task.task_id, ModelRole.CRITIC)
        bundles = await rollout_bundles(workshop, task) if _shares_a_digest(proposers) else []
        return cls(task, proposers, critics, bundles)

    def who(self, row: Experience) -> WhoAnswered:
        at_us, arm = row.processing_time_us, row.canary_arm
        version = version_that_answered(self.proposers, row.model_digest, at_us, arm, self.bundles)
        beside = [proposer for proposer in self.proposers if proposer.version != version]
        other_arm = PRODUCTION_ARM if arm == CANARY_ARM else CANARY_ARM
        return WhoAnswered(
            self.task,
            row,
            version,
            _critic(self.critics, row.critic_digest, version),
            version_that_answered(beside, row.shadow_digest, at_us, other_arm, self.bundles),
        )


def _unknown(name: str, prediction_id: bytes) -> UnknownPrediction:
    return UnknownPrediction(
        f"no input of the task '{name}' has the prediction id {id_text(prediction_id)}",
        where="prediction_id",
        fix="see that it is of this task; an answer is stored some moments after it was given",
    )


def _shares_a_digest(versions: Sequence[ModelVersion]) -> bool:
    return len({version.digest for version in versions}) < len(versions)


def _critic(critics: Sequence[ModelVersion], digest: str, proposer: int | None) -> int | None:
    """With this digest; of several the newest that was made for this proposer."""
    same = [critic for critic in critics if critic.digest == digest]
    own = [critic for critic in same if critic.parent == proposer]
    return max((critic.version for critic in own or same), default=None)
