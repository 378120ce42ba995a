"""The aliases follow the newest rollout: each is saved first, its aliases moved after. Whoever looks next finishes what
was cut short, and whoever moved looks once more whether somebody decided otherwise meanwhile."""

from __future__ import annotations

import asyncio

from dissonance.contracts.events import Event, ModelPromoted
from dissonance.contracts.schema import Task
from dissonance.contracts.updates import RolloutPhase
from dissonance.decisions.pairs import find_version
from dissonance.pipeline.aliases import mark_pair, move_aliases, production_version, verified_version
from dissonance.pipeline.telling import moved, moves_to
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import Alias
from dissonance.ports.rollouts import Rollout, told_as


async def finish(workshop: Workshop, task: Task, rollout: Rollout, *, always: bool = False) -> list[Event]:
    """Mark the canary, and put the version of this phase into production where it is not: now, or because a move was
    cut short. Wherever somebody else put another meanwhile, it stays. Returns what says what is in production by it,
    with `always` where nothing had to be moved too.

    Raises `ModelNotFound`, `ModelRefused` or `EngineUnavailable`.
    """
    await mark_canary(workshop, task, rollout)
    wanted = moves_to(rollout)
    if wanted is None:
        return []
    version, kind = wanted
    left = {rollout.previous_version} if kind is ModelPromoted else {rollout.version, rollout.previous_version}
    serving = (await production_version(workshop, task)).version
    if serving != version and serving in left:
        pair = await verified_version(workshop, task, version)
        if await overtaken(workshop, rollout) is not None:
            return []
        if (await production_version(workshop, task)).version == serving:
            await move_aliases(workshop, pair)
            later = await overtaken(workshop, rollout)
            if later is not None:
                return await finish(workshop, task, later)
    elif not always:
        return []
    return [moved(workshop, rollout, kind)]


async def mark_canary(workshop: Workshop, task: Task, rollout: Rollout) -> None:
    """Where this phase begins or ends a canary. Raises `ModelNotFound` or `EngineUnavailable`."""
    if rollout.phase is RolloutPhase.CANARY:
        canary = await asyncio.to_thread(find_version, workshop.registry, task, rollout.version)
        await mark_pair(workshop, task, Alias.CANARY, canary)
    elif rollout.phase is RolloutPhase.ABANDONED:
        await mark_pair(workshop, task, Alias.CANARY, None)


async def overtaken(workshop: Workshop, rollout: Rollout) -> Rollout | None:
    """The newest rollout of its task, where it puts another version into production than this one does."""
    latest = await workshop.store.rollout(rollout.task_id)
    if latest is None or told_as(latest) == told_as(rollout):
        return None
    wanted, other = moves_to(rollout), moves_to(latest)
    return None if other is None or (wanted is not None and wanted[0] == other[0]) else latest
