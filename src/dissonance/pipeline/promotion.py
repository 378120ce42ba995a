"""Put a pair into production, with the golden check; and take it back, without any."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from dissonance.contracts.events import ModelPromoted, ModelRolledBack
from dissonance.contracts.schema import Task
from dissonance.decisions.golden import GoldenNonInferiority, GoldenNumbers
from dissonance.decisions.pairs import LoadedPair, find_version, load_pair
from dissonance.errors import GateRefused, ModelNotFound
from dissonance.pipeline.reference import open_reference
from dissonance.pipeline.training import Score, score
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelRole, ModelVersion
from dissonance.ports.store import Split

PRODUCER = "pipeline"


class Promoted(NamedTuple):
    """`previous_version` was in production before; the scores, on the same golden rows, are what the gate saw."""

    task: Task
    version: int
    critic_version: int
    previous_version: int | None
    incumbent: Score | None
    candidate: Score | None


async def promote(workshop: Workshop, name: str, version: int | None = None, *, by: str) -> Promoted:
    """Put `version` (else the newest) and its critic into production if the golden check allows it.

    Promoting what is in production already moves nothing and tells every replica again. Raises `GateRefused`,
    `UnknownTask`, `ModelNotFound`, `ModelRefused` or `EngineUnavailable`; nothing changed then, or the same call
    completes it.
    """
    task = await workshop.store.by_name(name)
    policy = await workshop.store.policy(task.task_id)
    candidate = await _load(workshop, task, await asyncio.to_thread(find_version, workshop.registry, task, version))
    production = await asyncio.to_thread(workshop.registry.production, task.task_id, ModelRole.PROPOSER)
    incumbent = await _load(workshop, task, production)
    golden = (await open_reference(workshop, task, Split.GOLDEN)).rows
    if not len(golden.classes):
        raise GateRefused(
            "the golden holdout has no rows left to judge the update by",
            where="golden holdout",
            fix="create the task anew from a larger file",
        )
    before, after = score(incumbent.proposer, golden), score(candidate.proposer, golden)
    GoldenNonInferiority(policy.golden_drop_max).check(GoldenNumbers(before.accuracy, after.accuracy, after.rows))
    previous = await _move(workshop, task, candidate)
    reason = f"golden accuracy {before.accuracy:.4f} -> {after.accuracy:.4f} on {after.rows} rows"
    await _announce(workshop, task, candidate, previous, ModelPromoted, reason, by)
    return Promoted(task, candidate.version.version, candidate.critic_version.version, previous, before, after)


async def rollback(
    workshop: Workshop, name: str, to: int | None = None, *, by: str, reason: str = "rolled back by command"
) -> Promoted:
    """Put `to`, else the version that the one in production was trained to replace, back with its critic.

    No golden check: the way back must be short. The models are verified first. Raises as `promote` does.
    """
    task = await workshop.store.by_name(name)
    production = await asyncio.to_thread(workshop.registry.production, task.task_id, ModelRole.PROPOSER)
    target = production.parent if to is None else to
    if target is None:
        raise ModelNotFound(
            f"version {production.version} replaced no other", where="version", fix="name one with --version"
        )
    pair = await _load(workshop, task, await asyncio.to_thread(find_version, workshop.registry, task, target))
    previous = await _move(workshop, task, pair)
    await _announce(workshop, task, pair, previous, ModelRolledBack, reason, by)
    return Promoted(task, pair.version.version, pair.critic_version.version, previous, None, None)


async def list_models(workshop: Workshop, name: str) -> list[ModelVersion]:
    """Proposers and critics, newest first. Raises `UnknownTask` or `EngineUnavailable`."""
    task = await workshop.store.by_name(name)
    return [
        version
        for role in ModelRole
        for version in await asyncio.to_thread(workshop.registry.versions, task.task_id, role)
    ]


async def _load(workshop: Workshop, task: Task, version: ModelVersion) -> LoadedPair:
    return await asyncio.to_thread(load_pair, workshop.registry, workshop.artefact_keys, task, version)


async def _move(workshop: Workshop, task: Task, pair: LoadedPair) -> int | None:
    """The proposer's alias last: whoever finds it finds a critic that is promoted already."""
    critic_version = pair.critic_version.version
    await asyncio.to_thread(workshop.registry.promote, task.task_id, ModelRole.CRITIC, critic_version)
    return await asyncio.to_thread(workshop.registry.promote, task.task_id, ModelRole.PROPOSER, pair.version.version)


async def _announce(
    workshop: Workshop,
    task: Task,
    pair: LoadedPair,
    previous: int | None,
    kind: type[ModelPromoted],
    reason: str,
    by: str,
) -> None:
    await workshop.bus.publish(
        [
            kind(
                event_id=workshop.randomness.token(16).hex(),
                task_id=task.task_id,
                produced_at_us=workshop.clock.now_us(),
                producer=PRODUCER,
                version=pair.version.version,
                model_digest=pair.version.digest,
                previous_version=previous,
                reason=reason,
                by=by,
            )
        ]
    )
