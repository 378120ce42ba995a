"""By hand: take back what is in production, or put any version back. It imports no engine of models: who is on call
waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from dissonance.contracts.events import Event, ModelRolledBack
from dissonance.contracts.schema import Task
from dissonance.contracts.standings import CONFIRM_LIMIT_S
from dissonance.contracts.updates import RolloutPhase
from dissonance.decisions.pairs import VerifiedPair, critic_of
from dissonance.decisions.taking_back import Hand, is_said, taken_back, was_in_production, what_to_put_back
from dissonance.errors import DissonanceError, EngineError, ModelNotFound
from dissonance.pipeline.aliases import move_alias, production_version, verified_version
from dissonance.pipeline.anchoring import anchor
from dissonance.pipeline.confirming import confirm, roll_call_beside
from dissonance.pipeline.event_time import event_time_now_us
from dissonance.pipeline.evidence import rollout_decision
from dissonance.pipeline.finishing import look_once_more, mark_canary
from dissonance.pipeline.promoted import Promoted, moved_by_hand
from dissonance.pipeline.refusals import never_in_production, nothing_before
from dissonance.pipeline.telling import are_told, changed, moved
from dissonance.pipeline.verifying import MOST_DECISIONS
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelVersion
from dissonance.ports.rollouts import Rollout, known_as, step_cause


class Found(NamedTuple):
    """How things stand. `rollouts`: newest first. `target` is to be in production, with its `critic`."""

    rollouts: Sequence[Rollout]
    production: ModelVersion
    target: ModelVersion
    critic: ModelVersion

    @property
    def latest(self) -> Rollout | None:
        return self.rollouts[0] if self.rollouts else None

    def is_said(self, latest: Rollout | None) -> bool:
        return is_said(latest, self.target.version, self.production.version)


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

    No gate: the way back must be short, and leads only to what was in production before. The models are verified
    first, not opened: that takes a fresh process seconds, and every replica opens them before it answers with them. It
    is saved before anything moves: whatever is cut short the gate finishes, and so does the same call. Raises
    `UnknownTask`, `ModelNotFound`, `ModelRefused`, `NeverInProduction`, `ModelMoved` where somebody put another version
    there meanwhile, or `EngineUnavailable`.
    """
    task = await workshop.store.by_name(name)
    saved: list[Rollout] = []
    async with roll_call_beside(workshop, task) as calling:
        found = None
        try:
            while found is None or not await _save(workshop, task, found, saved, by, reason):
                found = await _look(workshop, task, to)
                if calling.done():
                    await calling  # a broker that is away fails here, before anything is saved
            await _move_back(workshop, task, found, saved, by=by, reason=reason)
            replicas = await confirm(workshop, task, found.target.version, list(await calling), limit_s)
        except EngineError as error:
            if not saved or found is None:
                raise
            raise _saved_though(error, task, to, goes_on=found.is_said(saved[-1])) from error
    newest = saved[-1] if saved else found.latest
    is_changed = bool(saved) or found.target.version != found.production.version
    if replicas.missing:
        await look_once_more(workshop, task, newest)
    return Promoted(
        task,
        found.target.version,
        found.critic.version,
        found.production.version,
        None,
        RolloutPhase.SETTLED if newest is None else newest.phase,
        replicas,
        newest,
        is_changed,
    )


async def _look(workshop: Workshop, task: Task, to: int | None) -> Found:
    """The registry takes most of the time: what is likely the target is verified while production is asked for. What
    is in production, and stays there, need not be."""
    rollouts = await workshop.store.rollouts(task.task_id)
    if to is None and rollouts and rollouts[0].phase in (RolloutPhase.CANARY, RolloutPhase.ABANDONED):
        production = await production_version(workshop, task)
        critic = await asyncio.to_thread(critic_of, workshop.registry, task, production)
        return Found(rollouts, production, production, critic)
    likely = to if to is not None or not rollouts else rollouts[0].put_back[0]
    asked = asyncio.create_task(production_version(workshop, task))
    pair = None if likely is None else await _verified(workshop, task, likely)
    production = await asked
    if to is not None and isinstance(pair, ModelNotFound):
        raise pair
    target = await _target(workshop, task, rollouts, production, to)
    if target != likely or pair is None:
        pair = await _verified(workshop, task, target)
    if isinstance(pair, DissonanceError):
        raise pair
    return Found(rollouts, production, pair.version, pair.critic_version)


async def _verified(workshop: Workshop, task: Task, version: int) -> VerifiedPair | DissonanceError:
    try:
        return await verified_version(workshop, task, version)
    except DissonanceError as error:
        return error  # of a version that may not be the one


async def _target(
    workshop: Workshop, task: Task, rollouts: Sequence[Rollout], production: ModelVersion, to: int | None
) -> int:
    if to is not None:
        if not was_in_production(rollouts, to, production):
            rollouts = await workshop.store.rollouts(task.task_id, MOST_DECISIONS)
            if not was_in_production(rollouts, to, production):
                raise never_in_production(task.name, to)
        return to
    target = what_to_put_back(rollouts, production.version, production.parent)
    if target is None:
        raise nothing_before(task.name, production.version)
    return target


async def _save(workshop: Workshop, task: Task, found: Found, saved: list[Rollout], by: str, reason: str) -> bool:
    """Add to `saved` the rollouts that end, or say what was taken back, in their order. False where somebody was
    faster: all must be looked at anew."""
    latest = found.latest
    hand = Hand(task.task_id, await event_time_now_us(workshop, task.task_id), by, reason)
    policy = await workshop.store.policy(task.task_id)
    while True:
        if latest is not None and latest.phase is RolloutPhase.ABANDONED:
            await mark_canary(workshop, task, latest)  # also where whoever ended it did not get so far
        following = taken_back(latest, found.production, found.target, hand)
        if following is None:
            return True
        parent = "" if latest is None or following.revision == 1 else step_cause(latest)
        decision = await rollout_decision(workshop, task, following, policy, parent=parent)
        after = known_as(latest) if following.revision == 1 else None
        if not await workshop.store.save_rollout(following, decision, after):
            return False
        latest = following
        saved.append(following)


async def _move_back(
    workshop: Workshop, task: Task, found: Found, saved: Sequence[Rollout], *, by: str, reason: str
) -> None:
    """Of what was said before, `changed` says again what nobody may have told, and replicas are told anew. Raises
    `ModelMoved` or `EngineUnavailable`."""
    latest = found.latest
    steps = [latest] if latest is not None and found.is_said(latest) and not saved else saved
    newest = steps[-1] if steps else latest
    await move_alias(workshop, found.target)
    await look_once_more(workshop, task, newest)
    await anchor(workshop, task)
    told: Event = moved_by_hand(workshop, task, found.target, found.production.version, reason, by, ModelRolledBack)
    if saved and saved[-1].phase is RolloutPhase.ROLLED_BACK:
        told = moved(workshop, saved[-1], ModelRolledBack)
    events = [*(changed(workshop, each) for each in steps), told]
    await workshop.bus.publish(events)
    await move_alias(workshop, found.critic)  # no replica asks for it: a critic is found by its proposer
    await look_once_more(workshop, task, newest)
    await are_told(workshop, task, events)


def _saved_though(error: EngineError, task: Task, to: int | None, *, goes_on: bool) -> EngineError:
    again = f"dissonance models rollback {task.name}" + ("" if to is None else f" --to {to}")
    said = "the rollback" if goes_on else "the end of the canary"
    fix = "the gate goes on when it can, and so does the same again" if goes_on else "the same again does the rest"
    return type(error)(
        f"{said} of '{task.name}' is saved, and not done yet: {error.what}", where=error.where, fix=f"{fix}: {again}"
    )
