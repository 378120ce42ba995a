"""The aliases follow the newest rollout: each is saved first, its aliases moved after. Whoever looks next finishes what
was cut short, and whoever moved looks once more whether somebody decided otherwise meanwhile."""

from __future__ import annotations

import asyncio

from dissonance.contracts.events import Event, ModelPromoted
from dissonance.contracts.schema import Task
from dissonance.contracts.updates import RolloutPhase
from dissonance.decisions.pairs import find_version
from dissonance.errors import ModelMoved
from dissonance.pipeline.aliases import critic_follows, mark_pair, move_aliases, production_version, verified_version
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
    elif serving != version or not always:
        return []
    return [moved(workshop, rollout, kind)]


async def mark_canary(workshop: Workshop, task: Task, rollout: Rollout) -> None:
    """Where this phase begins or ends a canary; also where somebody ended it in the moment in which it was marked.
    Raises `ModelNotFound` or `EngineUnavailable`."""
    phase = rollout.phase
    if phase is RolloutPhase.CANARY:
        canary = await asyncio.to_thread(find_version, workshop.registry, task, rollout.version)
        await mark_pair(workshop, task, Alias.CANARY, canary)
        latest = await workshop.store.rollout(task.task_id)
        phase = phase if latest is None else latest.phase
    if phase is RolloutPhase.ABANDONED:
        await mark_pair(workshop, task, Alias.CANARY, None)


async def look_once_more(workshop: Workshop, task: Task, ours: Rollout | None) -> None:
    """After an alias was moved: whoever decided later may have moved it before, and then it is moved there again, with
    its critic. Raises `ModelMoved`, or as `finish` does."""
    latest = await workshop.store.rollout(task.task_id)
    later = latest if ours is None else await overtaken(workshop, ours)
    if later is None or (wanted := moves_to(later)) is None:
        return
    await finish(workshop, task, later)
    await critic_follows(workshop, task, await production_version(workshop, task))
    raise ModelMoved(
        f"version {wanted[0]} was put into production meanwhile, by {later.by}: {later.reason}",
        where=f"task '{task.name}'",
        fix=f"look who did it (dissonance models history {task.name}), and ask again if it must be otherwise",
    )


async def overtaken(workshop: Workshop, rollout: Rollout) -> Rollout | None:
    """The newest rollout of its task, where it puts another version into production than this one does."""
    latest = await workshop.store.rollout(rollout.task_id)
    if latest is None or told_as(latest) == told_as(rollout):
        return None
    wanted, other = moves_to(rollout), moves_to(latest)
    return None if other is None or (wanted is not None and wanted[0] == other[0]) else latest
