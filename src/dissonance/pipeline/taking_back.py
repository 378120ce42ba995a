"""By hand: take back what is in production, or put any version back. It imports no engine of models: who is on call
waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from dissonance.contracts.events import Event, ModelRolledBack
from dissonance.contracts.schema import Task
from dissonance.contracts.standings import CONFIRM_LIMIT_S, Standing
from dissonance.contracts.updates import RolloutPhase
from dissonance.decisions.pairs import VerifiedPair
from dissonance.decisions.taking_back import Hand, is_said, taken_back, what_to_put_back
from dissonance.errors import EngineError, ModelMoved
from dissonance.pipeline.aliases import move_alias, production_version, verified_version
from dissonance.pipeline.anchoring import anchor
from dissonance.pipeline.confirming import confirm, roll_call_beside
from dissonance.pipeline.event_time import event_time_now_us
from dissonance.pipeline.evidence import rollout_decision, step_cause
from dissonance.pipeline.finishing import finish, mark_canary, overtaken
from dissonance.pipeline.promoted import Promoted, moved_by_hand
from dissonance.pipeline.refusals import nothing_before
from dissonance.pipeline.telling import are_told, changed, moved
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelVersion
from dissonance.ports.rollouts import Rollout


class Found(NamedTuple):
    """How things stand. `rollouts`: newest first. `pair`: what is to be in production, verified."""

    rollouts: Sequence[Rollout]
    production: ModelVersion
    pair: VerifiedPair

    @property
    def latest(self) -> Rollout | None:
        return self.rollouts[0] if self.rollouts else None

    @property
    def version(self) -> int:
        return self.pair.version.version


async def rollback(
    workshop: Workshop,
    name: str,
    to: int | None = None,
    *,
    by: str,
    reason: str = "rolled back by command",
    limit_s: float = CONFIRM_LIMIT_S,
) -> Promoted:
    """Put `to`, else the version that was in production before, back with its critic; a live rollout ends. Without `to`
    a canary is what is taken back: it ends, and the version in production stays; and what was taken back already stays
    so, so that the same call again changes nothing. Returns when every replica of the proposer was seen to answer with
    it, after `limit_s` at the latest.

    No gate: the way back must be short. The models are verified first, not opened: that takes a fresh process seconds,
    and every replica opens them before it answers with them. It is saved before anything moves: whatever is cut short
    the gate finishes, and so does the same call. Raises `UnknownTask`, `ModelNotFound`, `ModelRefused`, `ModelMoved`
    where somebody put another version there meanwhile, or `EngineUnavailable`.
    """
    task = await workshop.store.by_name(name)
    saved: list[Rollout] = []
    async with roll_call_beside(workshop, task) as calling:
        try:
            while not await _save(workshop, task, found := await _look(workshop, task, to), saved, calling, by, reason):
                pass
            await _move_back(workshop, task, found, saved, by=by, reason=reason)
            replicas = await confirm(workshop, task, found.version, list(await calling), limit_s)
        except EngineError as error:
            if not saved:
                raise
            raise _saved_though(error, task, to) from error
    return Promoted(
        task,
        found.version,
        found.pair.critic_version.version,
        found.production.version,
        None,
        RolloutPhase.ROLLED_BACK,
        replicas,
        saved[-1] if saved else found.latest,
    )


async def _look(workshop: Workshop, task: Task, to: int | None) -> Found:
    """The registry takes most of the time: what is likely the target is verified while production is asked for."""
    rollouts = await workshop.store.rollouts(task.task_id)
    likely = to if to is not None or not rollouts else rollouts[0].put_back[0]
    if likely is None:
        production = await production_version(workshop, task)
        target = _target(task, rollouts, production)
        return Found(rollouts, production, await verified_version(workshop, task, target))
    asked = asyncio.create_task(production_version(workshop, task))
    [pair] = await asyncio.gather(verified_version(workshop, task, likely), return_exceptions=True)
    production = await asked
    target = _target(task, rollouts, production) if to is None else to
    if target != likely:
        return Found(rollouts, production, await verified_version(workshop, task, target))
    if isinstance(pair, BaseException):
        raise pair
    return Found(rollouts, production, pair)


def _target(task: Task, rollouts: Sequence[Rollout], production: ModelVersion) -> int:
    target = what_to_put_back(rollouts, production.version, production.parent)
    if target is None:
        raise nothing_before(task.name, production.version)
    return target


async def _save(
    workshop: Workshop,
    task: Task,
    found: Found,
    saved: list[Rollout],
    calling: asyncio.Task[dict[str, Standing]],
    by: str,
    reason: str,
) -> bool:
    """Add to `saved` the rollouts that end, or say what was taken back, in their order. False where somebody was
    faster: all must be looked at anew."""
    if calling.done():
        await calling  # a broker that is away fails here, before anything is saved
    latest = found.latest
    hand = Hand(task.task_id, await event_time_now_us(workshop, task.task_id), by, reason)
    policy = await workshop.store.policy(task.task_id)
    while True:
        if latest is not None and latest.phase is RolloutPhase.ABANDONED:
            await mark_canary(workshop, task, latest)  # also where whoever ended it did not get so far
        following = taken_back(latest, found.production, found.pair.version, hand)
        if following is None:
            return True
        parent = "" if latest is None or following.revision == 1 else step_cause(latest)
        decision = await rollout_decision(workshop, task, following, policy, parent=parent)
        if not await workshop.store.save_rollout(following, decision):
            return False
        latest = following
        saved.append(following)


async def _move_back(
    workshop: Workshop, task: Task, found: Found, saved: Sequence[Rollout], *, by: str, reason: str
) -> None:
    """Of what was said before, `changed` says again what nobody may have told, and replicas are told anew. Raises
    `ModelMoved` or `EngineUnavailable`."""
    latest = found.latest
    said = latest is not None and is_said(latest, found.version, found.production.version)
    steps = [latest] if latest is not None and said and not saved else saved
    await move_alias(workshop, found.pair.version)
    await _look_once_more(workshop, task, steps[-1] if steps else latest)
    await anchor(workshop, task)
    told: Event = moved_by_hand(workshop, task, found.pair, found.production.version, reason, by, ModelRolledBack)
    if saved and saved[-1].phase is RolloutPhase.ROLLED_BACK:
        told = moved(workshop, saved[-1], ModelRolledBack)
    events = [*(changed(workshop, each) for each in steps), told]
    await workshop.bus.publish(events)
    await move_alias(workshop, found.pair.critic_version)  # no replica asks for it: a critic is found by its proposer
    await are_told(workshop, task, events)


async def _look_once_more(workshop: Workshop, task: Task, ours: Rollout | None) -> None:
    """Whoever decided later may have moved its alias before this one was moved: then it is moved there again."""
    later = None if ours is None else await overtaken(workshop, ours)
    if later is not None:
        await finish(workshop, task, later)
        raise ModelMoved(
            f"version {later.version} went into its phase '{later.phase.value}' meanwhile ({later.by}: {later.reason})",
            where=f"task '{task.name}'",
            fix="look who did it, and ask again if it must go back all the same",
        )


def _saved_though(error: EngineError, task: Task, to: int | None) -> EngineError:
    named = "" if to is None else f" --to {to}"
    return type(error)(
        f"the rollback of '{task.name}' is saved, and not done yet: {error.what}",
        where=error.where,
        fix=f"the gate goes on when it can, and so does the same again: dissonance models rollback {task.name}{named}",
    )
