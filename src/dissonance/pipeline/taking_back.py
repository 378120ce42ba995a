"""By hand: take back what is in production, or put any version back. It imports no engine of models: who is on call
waits for it."""

from __future__ import annotations

import asyncio

from dissonance.contracts.events import ModelRolledBack
from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.schema import Task
from dissonance.contracts.standings import CONFIRM_LIMIT_S
from dissonance.contracts.updates import RolloutPhase
from dissonance.decisions.pairs import VerifiedPair
from dissonance.errors import ModelNotFound
from dissonance.pipeline.aliases import move_alias, production_version, verified_version
from dissonance.pipeline.anchoring import anchor
from dissonance.pipeline.confirming import confirm, roll_call_beside
from dissonance.pipeline.event_time import event_time_now_us
from dissonance.pipeline.evidence import Said, decided, evidence_of
from dissonance.pipeline.promoted import Promoted, moved_by_hand, token_of
from dissonance.pipeline.rollouts import end_by_hand
from dissonance.pipeline.telling import changed, publish
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelVersion


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
    a canary is what is taken back: it ends, and the version in production stays. Returns when every replica of the
    proposer was seen to answer with it, after `limit_s` at the latest.

    No gate: the way back must be short. The models are verified first, not opened: that takes a fresh process seconds,
    and every replica opens them before it answers with them. Raises `UnknownTask`, `ModelNotFound`, `ModelRefused` or
    `EngineUnavailable`; nothing changed then, or the call with `to` completes it: without, it may step back once more.
    """
    task = await workshop.store.by_name(name)
    async with roll_call_beside(workshop, task) as calling:
        production, pair = await _production_and_target(workshop, task, to)
        if calling.done():
            await calling  # a broker that is away fails here, before anything is moved
        await _move_back(workshop, task, production, pair, by=by, reason=reason)
        known = list(await calling)
    return Promoted(
        task,
        pair.version.version,
        pair.critic_version.version,
        production.version,
        None,
        RolloutPhase.ROLLED_BACK,
        await confirm(workshop, task, pair.version.version, known, limit_s),
    )


async def _production_and_target(workshop: Workshop, task: Task, to: int | None) -> tuple[ModelVersion, VerifiedPair]:
    """Asked for together, since the registry takes most of the time: without `to`, what the newest rollout replaced is
    verified before it is known to be the target."""
    latest = await workshop.store.rollout(task.task_id) if to is None else None
    likely = to if latest is None else latest.previous_version
    if likely is None:
        production = await production_version(workshop, task)
        return production, await verified_version(workshop, task, await _before(workshop, task, production))
    asked = asyncio.create_task(production_version(workshop, task))
    [pair] = await asyncio.gather(verified_version(workshop, task, likely), return_exceptions=True)
    production = await asked
    target = await _before(workshop, task, production) if to is None else to
    if target != likely:
        return production, await verified_version(workshop, task, target)
    if isinstance(pair, BaseException):
        raise pair
    return production, pair


async def _move_back(
    workshop: Workshop, task: Task, production: ModelVersion, pair: VerifiedPair, *, by: str, reason: str
) -> None:
    ended = await end_by_hand(workshop, task, by=by, reason=reason, production=pair.version.version)
    moved_on = ended is not None and ended.phase is RolloutPhase.ROLLED_BACK
    if not moved_on and pair.version.version != production.version:
        await _record_rollback(
            workshop, task, production, pair.version, Said(DecisionKind.ROLLED_BACK, token_of(workshop), by, reason)
        )
    await move_alias(workshop, pair.version)
    await anchor(workshop, task)
    events = [] if ended is None else [changed(workshop, ended)]
    back = moved_by_hand(workshop, task, pair, production.version, reason, by, ModelRolledBack)
    await publish(workshop, task, [*events, back])
    await move_alias(workshop, pair.critic_version)  # no replica asks for it: a critic is found by its proposer


async def _record_rollback(
    workshop: Workshop, task: Task, production: ModelVersion, back: ModelVersion, said: Said
) -> None:
    """Of a version that no live rollout put there."""
    decision = await decided(
        workshop,
        task,
        said,
        candidate=evidence_of(production),
        incumbent=evidence_of(back),
        production=back.version,
        policy=await workshop.store.policy(task.task_id),
        event_time_us=await event_time_now_us(workshop, task.task_id),
    )
    await workshop.store.record_decision(decision)


async def _before(workshop: Workshop, task: Task, production: ModelVersion) -> int:
    """The version itself while a canary runs beside it; what its newest rollout replaced; else what it was trained to
    replace. Raises `ModelNotFound`."""
    rollouts = await workshop.store.rollouts(task.task_id)
    if rollouts and rollouts[0].phase is RolloutPhase.CANARY:
        return production.version
    replaced = [rollout.previous_version for rollout in rollouts if rollout.version == production.version]
    target = replaced[0] if replaced else production.parent
    if target is None:
        raise ModelNotFound(
            f"version {production.version} replaced no other", where="version", fix="name one with --to"
        )
    return target
