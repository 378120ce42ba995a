"""The aliases of a task. Those of `production` move together: who is asked for by it is the proposer, and its critic is
found by whose critic it is."""

from __future__ import annotations

import asyncio

from dissonance.contracts.schema import Task
from dissonance.decisions.pairs import LoadedPair, VerifiedPair, critic_of, load_pair, load_version, verify_version
from dissonance.errors import ModelNotFound
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import Alias, ModelRole, ModelVersion


async def list_models(workshop: Workshop, name: str) -> list[ModelVersion]:
    """Proposers and critics, newest first. Raises `UnknownTask` or `EngineUnavailable`."""
    task = await workshop.store.by_name(name)
    return [
        version
        for role in ModelRole
        for version in await asyncio.to_thread(workshop.registry.versions, task.task_id, role)
    ]


async def open_pair(workshop: Workshop, task: Task, version: ModelVersion) -> LoadedPair:
    """Fetched and verified. Raises `ModelNotFound`, `ModelRefused` or `EngineUnavailable`."""
    return await asyncio.to_thread(load_pair, workshop.registry, workshop.artefact_keys, task, version)


async def open_version(workshop: Workshop, task: Task, number: int | None) -> LoadedPair:
    """That version, else the newest that has a critic. Raises as `open_pair` does."""
    return await asyncio.to_thread(load_version, workshop.registry, workshop.artefact_keys, task, number)


async def verified_version(workshop: Workshop, task: Task, number: int) -> VerifiedPair:
    """That version, fetched and verified, not opened. Raises as `open_pair` does."""
    return await asyncio.to_thread(verify_version, workshop.registry, workshop.artefact_keys, task, number)


async def production_version(workshop: Workshop, task: Task) -> ModelVersion:
    return await asyncio.to_thread(workshop.registry.production, task.task_id, ModelRole.PROPOSER)


async def version_of(workshop: Workshop, task: Task, digest: str) -> ModelVersion:
    """The proposer with this digest. Raises `ModelNotFound`."""
    for version in await asyncio.to_thread(workshop.registry.versions, task.task_id, ModelRole.PROPOSER):
        if version.digest == digest:
            return version
    raise ModelNotFound(
        f"no proposer of '{task.name}' has the digest {digest[:12]}…",
        where="registry",
        fix="restore the registry from its backup",
    )


async def critic_follows(workshop: Workshop, task: Task, proposer: ModelVersion) -> None:
    """Whoever moved the proposer may not have got to its critic. Raises as `move_aliases` does."""
    critic = await asyncio.to_thread(critic_of, workshop.registry, task, proposer)
    if not critic.in_production:
        await move_alias(workshop, critic)


async def mark_pair(workshop: Workshop, task: Task, alias: Alias, version: ModelVersion | None) -> None:
    """A proposer and its critic, or nobody, as `alias`. Raises `ModelNotFound` or `EngineUnavailable`."""
    numbers: dict[ModelRole, int | None] = dict.fromkeys(ModelRole)
    if version is not None:
        critic = await asyncio.to_thread(critic_of, workshop.registry, task, version)
        numbers = {ModelRole.PROPOSER: version.version, ModelRole.CRITIC: critic.version}
    for role, number in numbers.items():
        await asyncio.to_thread(workshop.registry.mark, task.task_id, role, alias, number)


async def drop_candidate(workshop: Workshop, task: Task, number: int) -> None:
    """That version waits no more; another that waits stays. Raises as `mark_pair` does."""
    for version in await asyncio.to_thread(workshop.registry.versions, task.task_id, ModelRole.PROPOSER):
        if version.version == number and version.alias is Alias.CANDIDATE:
            await mark_pair(workshop, task, Alias.CANDIDATE, None)


async def wait_as_candidate(workshop: Workshop, task: Task, number: int) -> None:
    """That version waits, where it is nothing else and no newer one waits. Raises as `mark_pair` does."""
    versions = await asyncio.to_thread(workshop.registry.versions, task.task_id, ModelRole.PROPOSER)
    newest = next((version.version for version in versions if version.alias is Alias.CANDIDATE), 0)
    for version in versions:
        if version.version == number > newest and version.alias is None and not version.in_production:
            await mark_pair(workshop, task, Alias.CANDIDATE, version)


async def move_aliases(workshop: Workshop, pair: VerifiedPair | LoadedPair) -> None:
    """Those of `production`. Raises `ModelNotFound` or `EngineUnavailable`; the same call completes it."""
    await asyncio.gather(move_alias(workshop, pair.critic_version), move_alias(workshop, pair.version))


async def move_alias(workshop: Workshop, version: ModelVersion) -> None:
    """`production` of its role. Raises as `move_aliases` does."""
    await asyncio.to_thread(workshop.registry.promote, version)
